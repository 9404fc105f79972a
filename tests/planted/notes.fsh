# Notes that come one behind the other, to a shell that handles both.
trap "echo one >> /tmp/seen" USR1
trap "echo two >> /tmp/seen" USR2
for i in 1 2 3; do
  (kill -USR1 $$; kill -USR2 $$) & wait
  wait
done
sleep 0.01
n=$(sort -u /tmp/seen | wc -l)
test "$n" -eq 2 || exit 71
