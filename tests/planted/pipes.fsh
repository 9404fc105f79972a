# Pipelines whose results are known, short ones and ones longer than a pipe holds.
for i in 1 2 3 4 5 6; do
  n=$(seq $i | cat | wc -l)
  test "$n" -eq $i || exit 11
done
n=$(seq 30000 | cat | wc -l)
test "$n" -eq 30000 || exit 12
echo one | cat | cat | cat > /tmp/p; read word < /tmp/p
test "$word" = one || exit 13
seq 20000 | head -n 3 | tail -n 1 > /tmp/p; read word < /tmp/p
test "$word" -eq 3 || exit 14
true | cat | wc -c > /tmp/p; read word < /tmp/p
test "$word" -eq 0 || exit 15
n=$(head -c 300000 /dev/zero | (sleep 0.05; wc -c))
test "$n" -eq 300000 || exit 16
