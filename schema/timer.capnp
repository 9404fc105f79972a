@0xb19f0d6a7c35e284;
# The timer server: driver of the node's timer device. Times are node-monotonic ns since boot, or wall ns since 1970.
using import "kernel.capnp".Notification;

interface Timer {
  now    @0 () -> (uptime :UInt64, wall :Int64);
  # Signals once at that uptime, at once when it has passed. One alarm per (caller's `id`, signal kept in the server):
  # arming `id` again replaces it. `id` is the caller's pid.
  arm    @1 (id :UInt32, uptime :UInt64, signal :Notification);
  cancel @2 (id :UInt32);
  setWall @3 (wall :Int64);
}
