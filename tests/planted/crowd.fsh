# More processes that wait at once than the manager has places ready for.
for i in $(seq 45); do (sleep 0.2; true) & done
wait
for i in $(seq 45); do (sleep 0.1; true) & done
wait
