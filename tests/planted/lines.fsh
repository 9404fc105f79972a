# Each line appears once, whoever dies meanwhile. (tools/planted.py: lines are unique)
sleep 0.2
for i in $(seq 40); do echo "line $i"; done
exit 0
