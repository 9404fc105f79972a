@0xa7c2e4518d3f9b06;
# What a process asks of the root manager, over the endpoint in its slot kSlotRoot (user/runtime/layout.h). The badge of
# that endpoint says who asks, so that no request names its sender. Error replies are those of file.capnp.
using import "file.capnp".Directory;  using import "file.capnp".Service;
interface Endpoint {}                        # a kernel endpoint with all rights

enum MemberKind { mounted @0; bound @1; environment @2; descriptors @3; self @4; }   # the last three: "of the process that asks"
enum ObjectKind { endpoint @0; notification @1; reply @2; cnode @3; }   # cnode: one, `count` is its radix

# One member of the namespace. Members of one path follow one another in the order of the union.
struct Mount {
  member @0 :UInt32;                         # names it in `directory` and `unmount`; never used twice
  flags @1 :UInt8;                           # 8 create, 16 read-only, 32 the path names a file
  kind @2 :MemberKind;
  path @3 :Text;  source @4 :Text;  tree @5 :Text;
}
struct Copy { from @0 :UInt16; to @1 :UInt16; }          # a capability: slot of the parent, slot of the child
enum Part { arguments @0; environment @1; files @2; }

interface Process {
  # ── Itself ──
  # The start block: arguments each ended by 0, then `files`, the bytes the parent's runtime left for the child's.
  start     @0 (offset :UInt32) -> (pid :UInt32, parent :UInt32, uid :UInt32, gid :UInt32, umask :UInt16,
                                    argumentBytes :UInt32, totalBytes :UInt32, cwd :Text, data :Data);
  # Arena pages behind the last; quota exceeded: out of memory. A request made again, because its answer was lost, has the
  # same `number` and is answered the same.
  grow      @1 (bytes :UInt64, number :UInt32) -> (bytes :UInt64);
  exit      @2 (code :UInt32, closed :Bool);             # closed: the runtime has closed every descriptor
  make      @3 (kind :ObjectKind, slot :UInt16, count :UInt16);   # objects in empty slots of the caller, charged to it
  frame     @4 (slot :UInt16, bits :UInt8) -> (address :UInt64);  # a new Frame (12, 13 or 21), mapped in the caller
  map       @5 (slot :UInt16, write :Bool) -> (address :UInt64);  # maps the Frame in the caller's slot
  unmap     @6 (slot :UInt16);                           # unmaps and deletes it

  # ── Names ──
  # `version` is also at kSharedNamespaceVersion of the IPC buffer; when it differs from the cached one, ask again.
  mounts    @7 (from :UInt32) -> (version :UInt32, total :UInt32, mounts :List(Mount));
  directory @8 (member :UInt32) -> (directory :Directory);
  mount     @9 (path :Text, flags :UInt8, kind :MemberKind, source :Text, tree :Text, directory :Directory)
              -> (member :UInt32);           # flags of mount: 1 replace 2 before 4 after 8 create 16 read-only 32 not a directory
  unmount   @10 (path :Text, member :UInt32);            # member 0: the whole entry
  setCwd    @11 (path :Text, umask :UInt16);
  # /srv/NAME. perClient: `service` is unbadged, and each client gets a copy badged with its pid.
  publish   @12 (name :Text, service :Service, perClient :Bool);
  withdraw  @13 (name :Text);
  service   @14 (name :Text) -> (service :Service);      # a name, or the pid of who published one

  # ── Environment ──
  getEnv    @15 (name :Text, offset :UInt32) -> (total :UInt32, value :Data);
  setEnv    @16 (name :Text, offset :UInt32, value :Data, remove :Bool);    # offset 0 starts anew
  envNames  @17 (from :UInt32) -> (total :UInt32, names :List(Text));

  # ── Processes ──
  # Texts of a spawn that do not fit into its message. Several may be laid out at a time: `set` tells them apart.
  stage     @18 (part :Part, restart :Bool, data :Data, set :UInt32);
  spawn     @19 (program :Text, flags :UInt32, group :UInt32, priority :UInt8, hold :Bool, realm :Text, cwd :Text,
                 umask :UInt16, arguments :Data, environment :Data, files :Data, copies :List(Copy),
                 served :Endpoint, devices :List(Text), serve :Bool, set :UInt32, number :UInt32) -> (pid :UInt32);
                 # serve: with an endpoint of its own, which others find as the service of that pid
                 # number: of the spawns with this set; the last one made again is answered the same, and is not done twice
  release   @20 (pid :UInt32);                           # lets a child spawned with `hold` run
  # number, set: as of spawn.
  wait      @21 (pid :UInt32, group :UInt32, noHang :Bool, stopped :Bool, set :UInt32, number :UInt32)
              -> (pid :UInt32, code :UInt32, stopped :Bool, note :UInt8, cause :Text, userNs :UInt64, systemNs :UInt64, realNs :UInt64);
  rfork     @22 (flags :UInt32);
  post      @23 (target :UInt32, group :Bool, note :Text);
  setNote   @24 (number :UInt8, action :UInt8);          # 0 default, 1 ignore, 2 handle
  setGroup  @25 (pid :UInt32, group :UInt32);
  facts     @26 (pid :UInt32) -> (pid :UInt32, parent :UInt32, group :UInt32, session :UInt32, uid :UInt32, gid :UInt32, console :Int8,
               stopped :Bool, ready :Bool);
  setConsole @27 (number :Int8);                         # the session leader's console
  log       @28 (text :Text);                            # one line of the kernel log
  readLog   @29 (offset :UInt64) -> (offset :UInt64, data :Data);   # the oldest kept byte at or after offset
  ready     @30 ();                                      # of a server: it answers from now on; its supervisor is signalled
  alarm     @31 (slot :UInt16, due :UInt64);             # a worker arms the timer server in the caller's slot: the caller does
                                                         # not wait for it. kSlotNotification is signalled with kSignalTimer
  # Another thread of the caller, begun with `argument` at the native entry "thread": it shares the memory, and has a CNode of its
  # own with the caller's in kSlotFirst. It ends with the process.
  thread    @32 (argument :UInt64);
}

enum JobKind { flush @0; print @1; close @2; arm @3; }
interface Worker {                           # between the manager and its own workers, which may block on servers
  # Done with the last job, give the next. The job's process: its CNode is in kSlotGrants. Flush: the request `tag` on the
  # File in `slot`; print: `text` on the File in `slot`; close: every File in the slots from `slot` on; arm: the timer server
  # in `slot` is to signal the process at `due`.
  # again: the answer to the last one was lost, the job is told once more.
  next      @0 (again :Bool) -> (kind :JobKind, slot :UInt16, tag :UInt32, text :Text, due :UInt64);
}
