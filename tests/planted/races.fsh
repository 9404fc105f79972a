# Ends and alarms that come together.
for i in 1 2 3 4 5 6 7 8; do
  timeout 0.05 sleep 0.05; test $? -eq 0 -o $? -eq 124 || exit 91
  timeout 0.02 sleep 0.3; test $? -eq 124 || exit 92
done
