# Each line appears once, whoever dies meanwhile. (tools/planted.py: lines are unique)
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo "line $i"; sleep 0.05; done
exit 0
