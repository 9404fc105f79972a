@0xb2f4c6d8e0a19375;
# What the codec supports and file.capnp does not use: defaults, every list, nesting, recursion, and pairs of an older
# and a newer version of the same struct.
using import "../../schema/file.capnp".retry;
using import "../../schema/file.capnp".Stat;
using import "../../schema/file.capnp".Kind;

const smallest :Int64 = -9223372036854775808;
const negative :Int16 = -3;
const yes :Bool = true;
enum Colour { red @0; green @1; blue @2; }
const favourite :Colour = blue;

struct Defaults {
  yes @0 :Bool = true;
  no @1 :Bool;
  tiny @2 :Int8 = -1;
  small @3 :Int16 = -300;
  medium @4 :Int32 = 123456789;
  large @5 :Int64 = -9223372036854775808;
  tinyBits @6 :UInt8 = 255;
  smallBits @7 :UInt16 = 4660;
  mediumBits @8 :UInt32 = 0xdeadbeef;
  largeBits @9 :UInt64 = 0xffffffffffffffff;
  colour @10 :Colour = blue;
  also @11 :Bool = true;
  operator @12 :UInt8;                      # a keyword
}

struct Lists {
  flags @0 :List(Bool);
  bytes @1 :List(UInt8);
  signedBytes @2 :List(Int8);
  shorts @3 :List(UInt16);
  words @4 :List(Int32);
  longs @5 :List(UInt64);
  colours @6 :List(Colour);
  texts @7 :List(Text);
  blobs @8 :List(Data);
  points @9 :List(Point);
  named @10 :List(Named);
  objects @11 :List(Target);
  empties @12 :List(Nothing);
  stats @13 :List(Stat);
  data @14 :Data;
}
struct Point { x @0 :Int32; y @1 :Int32; colour @2 :Colour = green; visible @3 :Bool = true; }
struct Named { name @0 :Text; inner @1 :Inner; aliases @2 :List(Text);
  struct Inner { depth @0 :UInt8; shade @1 :Shade; }
  enum Shade { light @0; dark @1; } }
struct Nothing {}
struct Tree { value @0 :UInt32; children @1 :List(Tree); label @2 :Text; }

struct Older { number @0 :UInt16; name @1 :Text; }
struct Newer { number @0 :UInt16; name @1 :Text; added @2 :UInt64 = 77; more @3 :Text; limit @4 :UInt8 = 9; points @5 :List(Point); }
struct OlderList { numbers @0 :List(UInt16); names @1 :List(Text); rows @2 :List(Older); bits @3 :List(Bool); }
struct NumberRow { number @0 :UInt16; added @1 :UInt64 = 77; }
struct NameRow { name @0 :Text; added @1 :UInt64 = 77; }
struct NewerList { numbers @0 :List(NumberRow); names @1 :List(NameRow); rows @2 :List(Newer); bits @3 :List(NumberRow); }

interface Target {
  aim @0 Point -> Newer $retry("always");   # structs with names instead of parameters
  fire @1 (at :List(Point), kind :Kind) -> () $retry("never");
  mark @2 (target :Target, spare :Target, tree :Tree);
}
