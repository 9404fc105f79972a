# Processes that wait for one another: sleepers of several lengths, notes, children that end in any order.
for round in 1 2 3; do
  sleep 0.03 & a=$!
  sleep 0.01 & b=$!
  sleep 0.02 & c=$!
  wait $a || exit 31
  wait $b || exit 32
  wait $c || exit 33
done
sleep 100 & kill $!
wait $!; test $? -eq 143 || exit 34
true & true & true & false & wait
(exit 7) & wait $!; test $? -eq 7 || exit 35
work() { for i in 1 2 3 4; do echo x | cat > /dev/null; done; }
used() { grep memory /realm/usage > /tmp/u; read name now rest < /tmp/u; }
work; used; before=$now; work; work; work; used
test "$now" -le $((before + 1000000)) || exit 36
