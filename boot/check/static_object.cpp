// boot/check/static_object.cpp — a mistake the link without an operating system must refuse.
struct Object {
  ~Object();
};
Object::~Object() {}
Object core_global_with_a_destructor;
