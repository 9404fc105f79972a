# Servers that are killed come back, those that loop are given up, those that are stopped say so at once.
for name in dev pipe tmp; do
  pid=$(pidof $name); kill -9 $pid; sleep 1
  test "$(pidof $name)" != "$pid" || exit 41
done
echo x > /tmp/x && read word < /tmp/x && test "$word" = x || exit 42
echo stop tmp > /proc/supervisor/ctl
ls /tmp 2> /dev/null && exit 43
echo start tmp > /proc/supervisor/ctl; sleep 1
ls /tmp || exit 44
mkdir -p /etc/service
echo 'program ramfs
srv loop
restart-max 3
backoff 10ms
settle 60s' > /etc/service/loop
echo reload > /proc/supervisor/ctl
for i in 1 2 3 4 5; do
  sleep 1; pid=$(pidof loop); test -z "$pid" || kill -9 $pid
done
sleep 1; grep -q '^loop .*failed' /proc/supervisor || exit 45
