# Files, pipes and the clock: what a run's digest must cover.
mkdir /tmp/d
echo one > /tmp/d/a
echo two >> /tmp/d/a
cat /tmp/d/a | wc -l
ls -l /tmp/d
cp /tmp/d/a /tmp/d/b && rm /tmp/d/a
ls /tmp/d
date
sleep 2
uptime -s
