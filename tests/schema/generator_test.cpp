// tests/schema/generator_test.cpp — what the codec does not support is refused when the schema is compiled, with the
// line and the reason.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace {

struct Outcome {
  int status = 0;
  std::string text;
};

/// Compiles `schema` as bad.capnp by the plugin under test.
Outcome compile(const std::string& schema) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("orrery-generator-test." + std::to_string(getpid()));
  fs::create_directories(folder);
  std::ofstream(folder / "bad.capnp") << schema;
  const std::string command = "cd '" + folder.string() +
                              "' && ORRERY_SCHEMA_ROOT=. '" ORRERY_CAPNP "' compile '-o" ORRERY_CAPNP_PLUGIN
                              "' bad.capnp 2>&1";
  FILE* const pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  Outcome outcome;
  char buffer[512];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) outcome.text += buffer;
  outcome.status = pclose(pipe);
  const bool wrote = fs::exists(folder / "bad.capnp.h");
  fs::remove_all(folder);
  CHECK(wrote == (outcome.status == 0));
  return outcome;
}

}  // namespace

TEST_CASE("what the codec does not support is refused with line and reason", "[schema][generator][unit]") {
  struct Case {
    const char* schema;
    const char* message;
  };
  const Case cases[] = {
      {"struct A {\n  union {\n    b @0 :UInt8;\n    c @1 :UInt8;\n  }\n}\n",
       "bad.capnp:4: A.b: unions are not supported"},
      {"struct A {\n  g :group {\n    b @0 :UInt8;\n  }\n}\n", "bad.capnp:3: A.g: groups are not supported"},
      {"struct A {\n  x @0 :UInt8;\n  y @1 :Float32;\n}\n", "bad.capnp:4: A.y: floats are not supported"},
      {"struct A { y @0 :List(Float64); }\n", "bad.capnp:2: A.y: floats are not supported"},
      {"const pi :Float64 = 3.14;\n", "bad.capnp:2: pi: constants are integers, Bool or enums"},
      {"struct A { any @0 :AnyPointer; }\n", "bad.capnp:2: A.any: AnyPointer and type parameters are not supported"},
      {"struct Box(T) { value @0 :T; }\n", "bad.capnp:2: Box: type parameters are not supported"},
      {"struct A { nothing @0 :Void; }\n", "bad.capnp:2: A.nothing: Void is not supported"},
      {"struct A { rows @0 :List(List(UInt8)); }\n", "bad.capnp:2: A.rows: lists of lists are not supported"},
      {"struct A { name @0 :Text = \"x\"; }\n", "bad.capnp:2: A.name: defaults of texts, data, lists and structs"},
      {"struct A {\n  inner @0 :A;\n}\n", "bad.capnp:3: A.inner: a value cannot contain itself"},
      {"struct A { b @0 :B; }\nstruct B { a @0 :A; }\n", "is part of a circle of types"},
      {"struct A { fooBar @0 :UInt8; fooBAr @1 :UInt8; }\n", "two fields are both foo_bar in C++"},
      {"interface Base {}\ninterface I extends(Base) {}\n", "bad.capnp:3: I: interfaces cannot extend others"},
      {"interface I {\n  m @0 (x :Float32) -> ();\n}\n", "bad.capnp:3: I.m.x: floats are not supported"},
      {"interface I {\n\n  i @0 ();\n}\n", "bad.capnp:4: I.i: a method cannot be named like its interface"},
      {"interface I { m @0 [T] (x :T) -> (); }\n", "type parameters are not supported"},
      {"annotation retry(method) :Text;\ninterface I {\n  m @0 () $retry(\"sometimes\");\n}\n",
       "bad.capnp:4: I.m: $retry is \"never\", \"always\", \"unless-exclusive\" or \"explicit-offset\", not "
       "\"sometimes\""},
  };
  for (const Case& bad : cases) {
    CAPTURE(bad.schema);
    const Outcome outcome = compile(std::string("@0xd3a1f0b2c4e59687;\n") + bad.schema);
    CHECK(outcome.status != 0);
    CHECK_THAT(outcome.text, Catch::Contains(bad.message));
  }
}

TEST_CASE("a schema within the limits compiles by the same way", "[schema][generator][unit]") {
  const Outcome outcome = compile("@0xd3a1f0b2c4e59687;\nstruct A { x @0 :UInt8; }\n");
  CAPTURE(outcome.text);
  CHECK(outcome.status == 0);
}
