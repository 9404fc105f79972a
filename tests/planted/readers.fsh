# Requests are under way when their servers die.
for i in 1 2 3; do
  (echo a; sleep 0.2; echo b) | cat > /dev/null &
  sleep 0.1; kill -9 $(pidof pipe); sleep 1
  wait
done
for i in 1 2 3 4; do echo text $i > /dev/null & cat /dev/time > /dev/null & kill -9 $(pidof dev); wait; sleep 1; done
exit 0
