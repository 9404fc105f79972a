# The last line has no end.
n=$(seq 3 | wc -l)
test "$n" -eq 3 || exit 51
true