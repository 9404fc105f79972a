@0xb19f0d6a7c35e284;
# The timer server: driver of the node's timer device. Times are node-monotonic ns since boot, or wall ns since 1970.
using import "kernel.capnp".Notification;

# Published per client: the badge is the pid of the process that asks, and each process has at most one alarm.
interface Timer {
  now    @0 () -> (uptime :UInt64, wall :Int64);
  arm    @1 (uptime :UInt64, signal :Notification);   # signals once, at once when that moment has passed; replaces the last
  cancel @2 ();
  setWall @3 (wall :Int64);
}
