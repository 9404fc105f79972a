@0xd3b0f6a1c5e84729;
# Recordings (*.orrery): what defines a run, what entered it from outside, and digests to check a replay by. Written and
# read by replay/ with libcapnp; no process of the system speaks it.
#
# File: "ORRERY\r\n", u16 major, u16 minor, u32 zero; then frames. Frame: u32 payload bytes, u32 CRC-32C over the payload
# bytes, the link and the padded payload, u64 link (first word of the D128 of the whole file before this frame); then the
# packed payload, zero-padded to 8 bytes. All integers are little-endian.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("replay::wire");

struct Frame {
  union {
    header :group {
      modelId @0 :Data;            # SHA-256 of all sources that can change a trace
      buildId @1 :Data;            # compiler, flags, sanitizers: noted only
      planId @2 :Data;             # SHA-256 of the plan's bytes
      seed @3 :UInt64;
      created @4 :Text;            # the one host time that is kept
      sources @5 :List(Text);      # what was run, as its author named it
      redacted @6 :List(Text);     # inputs replaced by fillers, and from where the run differs
      parent @7 :Data;             # root of the run this one branched from
      parentMoment @8 :UInt64;
    }
    plan @9 :Data;                 # a Plan, canonical
    attachment :group { name @10 :Text; sha256 @11 :Data; bytes @12 :Data; external @13 :Bool; kind @35 :AttachmentKind; }
    input :group { time @14 :UInt64; source @15 :Text; ordinal @16 :UInt64; data @17 :Data; secret @18 :Bool; }
    overrides @19 :Text;
    milestone :group { sequence @20 :UInt64; time @21 :UInt64; root @22 :Data; lanes @23 :List(UInt32); }
    bookmark :group { moment @24 :UInt64; name @25 :Text; author @26 :Text; }
    verdict :group { result @27 :Text; property @28 :Text; moment @29 :UInt64; signature @30 :Text; }
    end :group { sequence @31 :UInt64; root @32 :Data; state @33 :Data; until @34 :UInt64; }
    # until: all that happens before this virtual time was done, and nothing after it.
    scenario :group { name @36 :Text; planId @37 :Data; checks @38 :Text; limitNs @39 :UInt64; eventsMax @40 :UInt64; }
    # The run is one of a scenario, whose files are the attachments of kind source, the one that was named first. planId is
    # the scenario's; the world of `plan` and its images follow from the files and the seed.
  }
}

enum AttachmentKind {
  image @0;
  source @1;    # a file of the scenario
  disk @2;      # what a disk holds at the start; more than one of the same hash: its parts, in order
}

# The world a recording is of, as far as it is not the seed.
struct Plan {
  nodes @0 :List(Node);
  wallStartNs @1 :UInt64;
  rootStackBytes @2 :UInt64;
  stealing @3 :Bool;
  costs @4 :List(UInt64);          # the cost table's words, in its order

  struct Node {
    cores @0 :UInt32;
    memoryBytes @1 :UInt64;
    console @2 :UInt8;             # 0 absent, 1 terminal, 2 script, 3 typed by the plan
    columns @3 :UInt16;
    rows @4 :UInt16;
    script @5 :Data;
    image @6 :Data;                # SHA-256; the bytes are built in or an attachment
    name @7 :Text;                 # empty: its number
    skewNs @8 :Int64;              # of its wall clock at the start
    driftPpm @9 :Int32;
    bootAtNs @10 :UInt64;          # all ones: not before the plan's code boots it
  }
  links @5 :List(Link);

  struct Link {
    name @0 :Text;
    joins @1 :List(UInt32);        # numbers of nodes, from 1
    latencyNs @2 :UInt64;
    jitterNs @3 :UInt64;
    bitsPerSecond @4 :UInt64;
    queueBytes @5 :UInt32;
    mtu @6 :UInt32;
    isDown @7 :Bool;
  }
  disks @6 :List(Disk);

  struct Disk {
    name @0 :Text;
    node @1 :UInt32;               # number, from 1
    bytes @2 :UInt64;
    sectorBytes @3 :UInt32;
    atomicBytes @4 :UInt32;
    latencyNs @5 :UInt64;
    bytesPerSecond @6 :UInt64;
    queueDepth @7 :UInt32;
    channels @8 :UInt32;
    cache @9 :UInt8;               # 0 none, 1 ordered, 2 volatile
    cacheBytes @10 :UInt32;
    image @11 :Data;               # SHA-256 of what it holds at the start, an attachment; empty: blank
    imageBytes @12 :UInt64;
  }
}
