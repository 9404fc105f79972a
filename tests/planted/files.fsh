# Files that are cut, grow, are appended to, renamed and removed.
cd /tmp
printf abcdefgh > f
truncate -s 3 f && truncate -s 8 f
n=$(tr -d '\0' < f | wc -c)
test "$n" -eq 3 || exit 21
for i in 1 2 3 4 5 6 7 8 9; do echo line $i >> log; done
n=$(wc -l < log); test "$n" -eq 9 || exit 22
n=$(sort -u log | wc -l); test "$n" -eq 9 || exit 23
mv log log2 && cp log2 log3 && cmp log2 log3 || exit 24
seq 5000 > big && n=$(tail -n 1 big) && test "$n" -eq 5000 || exit 25
rm f log2 log3 big; n=$(ls /tmp | wc -l); test "$n" -eq 0 || exit 26
