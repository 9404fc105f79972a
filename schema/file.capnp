@0xe1c4a9d07b3f5a21;
using import "kernel.capnp".Notification;  using import "kernel.capnp".Frames;  # kernel objects
annotation retry(method) :Text;               # what the client runtime may repeat after a server restart (§13.4)
enum Kind { file @0; directory @1; link @2; stream @3; control @4; service @5; device @6; fifo @7; socket @8; blockNode @9; charNode @10;
            whiteout @11; }                           # whiteout: only in the upper of a layer server (storage.md §4)
enum Whence { start @0; current @1; end @2; data @3; hole @4; }
enum LockKind { none @0; shared @1; exclusive @2; }
const openRead :UInt16 = 1;       const openWrite :UInt16 = 2;     const openExecute :UInt16 = 4;
const openAppend :UInt16 = 8;     const openTruncate :UInt16 = 16; const openCreate :UInt16 = 32;
const openExclusive :UInt16 = 64; const openDirectory :UInt16 = 128;             # with create: fail if it exists; make a directory
const openRemoveOnClose :UInt16 = 256; const openNoFollow :UInt16 = 512; const openNonBlock :UInt16 = 1024;
const rightRead :UInt8 = 1;       const rightWrite :UInt8 = 2;     const rightWalk :UInt8 = 4;
const atPosition :UInt64 = 0xffffffffffffffff;                                   # use and advance the open's own position
struct Stat {
  id @0 :UInt64;  version @1 :UInt32;  kind @2 :Kind;  mode @3 :UInt16;          # id, version, kind: the qid
  uid @4 :UInt32; gid @5 :UInt32; links @6 :UInt32; device @7 :UInt32;           # device: the server's tree; the runtime adds the service
  size @8 :UInt64; allocated @9 :UInt64;                                         # bytes
  modified @10 :Int64; accessed @11 :Int64; changed @12 :Int64; created @13 :Int64;   # wall ns since 1970
  flags @14 :UInt16; special @15 :UInt64; name @16 :Text;                        # flags: 1 append-only 2 exclusive use 4 temporary 8 immutable 16 opaque
}
struct Change { mask @0 :UInt16; mode @1 :UInt16; uid @2 :UInt32; gid @3 :UInt32;     # mask: 1 mode 2 uid 4 gid 8 modified
  modified @4 :Int64; accessed @5 :Int64; flags @6 :UInt16; }                         # 16 accessed 32 flags 64 both times = now
struct Space { blockBytes @0 :UInt32; readOnly @1 :Bool; total @2 :UInt64; free @3 :UInt64; files @4 :UInt64; filesFree @5 :UInt64; label @6 :Text; }
struct Failure { error @0 :UInt16; consumed @1 :UInt16; detail @2 :Text; target @3 :Text; }   # body of an error reply
interface Identity {}  interface Window {}    # who (minted by the accounts server); Frames of a client that one server has agreed to use

interface Service {
  attach   @0 (identity :Identity, tree :Text) -> (root :Directory) $retry("always");
}
interface Directory {
  walk     @0 (path :Text, rights :UInt8) -> (directory :Directory, id :UInt64) $retry("always");
  open     @1 (path :Text, flags :UInt16, mode :UInt16, tag :UInt32)
             -> (file :File, id :UInt64, version :UInt32, kind :Kind, ioUnit :UInt32, token :UInt64) $retry("unless-exclusive");
  stat     @2 (path :Text, noFollow :Bool) -> (stat :Stat) $retry("always");
  wstat    @3 (path :Text, noFollow :Bool, change :Change) $retry("always");
  remove   @4 (path :Text, directory :Bool) $retry("never");
  rename   @5 (from :Text, into :Directory, to :Text, flags :UInt8) $retry("never");      # 1 no-replace 2 exchange 4 whiteout
  link     @6 (from :Text, into :Directory, to :Text) $retry("never");
  symlink  @7 (path :Text, target :Text) $retry("never");
  readlink @8 (path :Text) -> (target :Text) $retry("always");
  make     @9 (path :Text, kind :Kind, mode :UInt16, special :UInt64) $retry("never");    # fifo, socket, device nodes
  reopen   @10 (id :UInt64, flags :UInt16, token :UInt64, change :UInt64)
             -> (file :File, kind :Kind, ioUnit :UInt32, lost :Bool) $retry("always");
  space    @11 () -> (space :Space) $retry("always");
}
interface File {
  read     @0 (offset :UInt64, count :UInt32, tag :UInt32, window :Window, at :UInt32)
             -> (count :UInt32, position :UInt64, data :Data) $retry("explicit-offset");
  write    @1 (offset :UInt64, count :UInt32, tag :UInt32, window :Window, at :UInt32, data :Data)
             -> (count :UInt32, position :UInt64, change :UInt64) $retry("explicit-offset");
  list     @2 (cookie :UInt64, count :UInt32, tag :UInt32, window :Window, at :UInt32)
             -> (count :UInt32, next :UInt64, data :Data) $retry("always");
  seek     @3 (offset :Int64, whence :Whence) -> (position :UInt64) $retry("always");
  truncate @4 (size :UInt64) $retry("always");
  sync     @5 () $retry("never");
  stat     @6 () -> (stat :Stat) $retry("always");
  wstat    @7 (change :Change) $retry("always");
  lock     @8 (kind :LockKind, start :UInt64, bytes :UInt64, wait :Bool, owner :UInt32, tag :UInt32) $retry("never");
  poll     @9 (want :UInt8, signal :Notification) -> (ready :UInt8) $retry("always");   # 1 readable 2 writable 4 hung up
  map      @10 (offset :UInt64, bytes :UInt64, write :Bool) -> (frames :Frames) $retry("always");
  window   @11 (frames :Frames) -> (window :Window, bytes :UInt32) $retry("always");
  flush    @12 (tag :UInt32) $retry("always");
  share    @13 () $retry("never");
  close    @14 () $retry("never");
  punch    @15 (offset :UInt64, bytes :UInt64) $retry("always");
  getAttribute   @16 (name :Text, window :Window, at :UInt32) -> (count :UInt32, value :Data) $retry("always");
  setAttribute   @17 (name :Text, remove :Bool, count :UInt32, value :Data, window :Window, at :UInt32) $retry("never");
  listAttributes @18 (cookie :UInt64) -> (names :List(Text), next :UInt64) $retry("always");
}
