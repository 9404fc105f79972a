# Processes side by side: the order in which they end is the scheduler's, hence the seed's.
sleep 1 & sleep 2 & wait
seq 20 | sort -r | head -n 3
ps
(exit 3) || echo "failed with $?"
