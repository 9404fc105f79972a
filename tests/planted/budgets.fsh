# A realm with a part of the processors, and more work in it than that.
realm make r && realm limit r cpu 30% || exit 81
for i in 1 2 3; do
  realm run r sh -c "seq 1500 | sort -n | tail -n 1" > /tmp/r$i &
done
seq 3000 | sort -r | head -n 1 > /dev/null
wait
for i in 1 2 3; do read n < /tmp/r$i; test "$n" -eq 1500 || exit 82; done
