# What runs in the container, in any POSIX shell. `exec/remote.rs` says how it is called; comments stay here.
# A run is a directory: out, err (what was written so far), run/ (whoever makes it has claimed the run), run/pid (who
# supervises), run/group (the command's process group), code (the exit code, put there last and by rename), cause.
nap() { sleep "$1" 2>/dev/null || sleep 1; }
end() {
  [ -e "$d/cause" ] || echo "$1" >"$d/cause"
  n=0 g=
  while [ -z "$g" ] && [ ! -e "$d/code" ] && [ $n -lt 50 ]; do
    [ -e "$d/run/group" ] && read -r g <"$d/run/group"
    [ -n "$g" ] || nap 0.1
    n=$((n+1))
  done
  [ -n "$g" ] || return 0
  kill -TERM -$g 2>/dev/null
  n=0
  while kill -0 -$g 2>/dev/null && [ $n -lt 50 ]; do nap 0.2; n=$((n+1)); done
  kill -KILL -$g 2>/dev/null
  return 0
}
# Ends a command that takes too long or writes too much.
guard() {
  b=$(date +%s)
  while sleep 1; do
    [ -e "$d/code" ] && return
    set -- $(stat -c %s "$d/out" "$d/err")
    if [ $(($1+$2)) -gt $l ]; then end output-limit; return; fi
    if [ $t -gt 0 ] && [ $(($(date +%s)-b)) -ge $t ]; then end timeout; return; fi
  done
}
# Forgets what earlier runs wrote; that they were, and how they ended, stays.
trim() {
  n=0
  for x in $(ls -1t "${d%/*}"); do
    x=${d%/*}/$x n=$((n+1))
    [ -e "$x/code" ] && [ -e "$x/out" ] || continue
    if { [ $n -gt 16 ] && [ -e "$x/taken" ]; } || [ $n -gt 64 ]; then rm -f "$x/out" "$x/err"; fi
  done
}
# Detached from everything; the first that makes run/ is the only one that goes on.
supervise() {
  mkdir "$d/run" 2>/dev/null || return 0
  echo $$ >"$d/run/pid"
  guard &
  w=$!
  setsid sh -c 'echo $$ >"$1/run/group"; shift; exec "$@"' sh "$d" "$@" </dev/null >>"$d/out" 2>>"$d/err"
  c=$?
  echo $c >"$d/run/code" && mv "$d/run/code" "$d/code"
  kill $w
  trim
}
# A leader of a process group forks when it calls setsid, so the second one returns at once. An `&` would do that too, but
# a shell makes what it starts that way ignore interrupts.
start() {
  u=$(umask)
  umask 077
  mkdir -p "$d" && : >>"$d/out" && : >>"$d/err" || exit 73
  umask "$u"
  [ -d "$d/run" ] || setsid setsid sh -c 'z=$1; shift; eval "$z"' build-resources "$z" supervise "$d" 0 0 "$l" "$t" "$@" \
    </dev/null >/dev/null 2>&1
  n=0
  while [ ! -d "$d/run" ] && [ $n -lt 500 ]; do nap 0.02; n=$((n+1)); done
}
# One piece of one file, announced by its place and length. The offset of the open file moves on with it.
piece() {
  n=$(($4-$3))
  [ $n -gt 1048576 ] && n=1048576
  echo "$2 $3 $n"
  dd bs=$n count=1 <&$1 2>/dev/null || exit 74
}
view() {
  if [ ! -d "$d/run" ]; then echo N; exit 0; fi
  if [ ! -e "$d/out" ]; then echo T; exit 0; fi
  echo S
  exec 3<"$d/out" 4<"$d/err"
  [ $o = 0 ] || dd bs=1 skip=$o count=0 <&3 2>/dev/null
  [ $e = 0 ] || dd bs=1 skip=$e count=0 <&4 2>/dev/null
  i=0 a=0
  while :; do
    f= s=
    [ -e "$d/code" ] && f=1
    set -- $(stat -c %s "$d/out" "$d/err")
    if [ $# != 2 ]; then echo T; exit 0; fi
    if [ $1 -gt $o ]; then piece 3 O $o $1; o=$((o+n)) s=$n; fi
    if [ $2 -gt $e ]; then piece 4 E $e $2; e=$((e+n)) s=$((s+n)); fi
    if [ -n "$s" ]; then
      i=0
      [ $s -ge 262144 ] || [ -n "$f" ] || nap 0.03
      continue
    fi
    if [ -n "$f" ]; then
      read -r c <"$d/code"
      k=
      [ -e "$d/cause" ] && read -r k <"$d/cause"
      : >"$d/taken"
      echo "X $c $o $e $k"
      exit $c
    fi
    if [ $m = once ]; then echo "P $o $e"; exit 0; fi
    if [ -e "$d/run/pid" ] && read -r p <"$d/run/pid" && ! kill -0 $p 2>/dev/null && [ ! -e "$d/code" ]; then
      a=$((a+1))
      if [ $a -gt 3 ]; then echo L; exit 0; fi
    fi
    i=$((i+1))
    [ $((i%20)) = 0 ] && echo B
    if [ $i -gt 3000 ]; then echo R; exit 0; fi
    if [ $i -lt 20 ]; then nap 0.03; else nap 0.2; fi
  done
}
m=$1 d=$2 o=$3 e=$4 l=$5 t=$6
shift 6
for x in setsid stat dd mkdir mv rm ls date sleep; do
  if ! command -v $x >/dev/null; then echo "the image has no $x" >&2; exit 72; fi
done
case $m in
start) start "$@"; m=follow; view ;;
follow|once) view ;;
supervise) supervise "$@" ;;
end) end "$1" ;;
list) ls -1t "$d" 2>/dev/null ;;
esac
