# What a session does, with every layer in it: pipes, files, unions, substitutions, jobs, notes, faults.
echo hello | wc -c
for i in 1 2 3 4 5; do echo line $i >> /tmp/lines; done
sort -r /tmp/lines | head -n 2
mkdir -p /tmp/d/e; cp /tmp/lines /tmp/d/e; ls -l /tmp/d/e | wc -l
x=$(cat /tmp/d/e/lines | grep -c 3); echo "found $x"
mount ramfs /mnt; echo inside > /mnt/f; cat /mnt/f; unmount /mnt
head -c 16 /dev/random | cksum
sleep 2 & sleep 1; kill $!; wait $!; echo "ended $?"
spin & sleep 1; kill $!; wait $!; echo "ended $?"
yes | head -n 3 | uniq -c
crash null; echo "crash $?"
crash assert; echo "crash $?"
crash oom; echo "crash $?"
f() { local v=$1; [ $v -gt 0 ] && { echo f $v; f $((v-1)); }; return 0; }
f 4
cat <<END | tr a-z A-Z
here $x
END
ps | wc -l
uptime
