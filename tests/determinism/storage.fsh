# Disks: what their drivers ask for, when it is done, what caches hold, and the bytes that come back.
# flags: --disk scratch=1M --disk slow=256K,cache=ordered,latency=3ms,sector=4096
cat /dev/disk/scratch/info /dev/disk/slow/info
seq 4000 | dd of=/dev/disk/scratch/data bs=4096 conv=notrunc &
seq 7 900 | dd of=/dev/disk/slow/data bs=512 seek=5 conv=notrunc &
wait
echo flush > /dev/disk/slow/ctl
dd if=/dev/disk/scratch/data bs=1000 count=19 skip=1 | cksum
dd if=/dev/disk/slow/data of=/dev/disk/scratch/data bs=8192 count=3 seek=20 conv=notrunc
head -c 100000 /dev/urandom | dd of=/dev/disk/scratch/data bs=3000 seek=100 conv=notrunc
cksum /dev/disk/scratch/data
echo discard 0 8 > /dev/disk/scratch/ctl
dd if=/dev/disk/scratch/data bs=4096 count=2 | cksum
cat /dev/disk/scratch/info /dev/disk/slow/info
