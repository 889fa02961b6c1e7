set -f
m=$1 d=$2 n=$3
digests() { find . -type f -exec sha256sum {} + || exit 74; echo end; }
there() { [ -e "$1" ] || [ -L "$1" ]; }
cd -- "$d" || exit 66
case $m in
send)
  there "$n" || { echo "there is no $d/$n" >&2; exit 66; }
  s=
  case $(tar --version 2>/dev/null) in *GNU*) s="--format=gnu -S" ;; esac
  if [ -d "$n" ]; then
    cd -- "$n" && tar $s -cf - . && digests
  else
    tar $s -chf - "./$n" && sha256sum "./$n" && echo end
  fi || exit 74
  ;;
receive)
  k=$4 t=.build-resources-$5
  if there "$n"; then
    if [ "$k" = dir ] || [ -d "$n" ]; then echo "$d/$n is there already" >&2; exit 73; fi
  fi
  mkdir "$t" || exit 73
  p=$$
  (while kill -0 $p 2>/dev/null; do sleep 1; done; rm -rf "$t") </dev/null >/dev/null 2>&1 &
  mkdir "$t/x" && cd "$t/x" || exit 73
  tar -xof - && digests || exit 74
  cd ../..
  i=0
  while [ -e "$t" ] && [ $i -lt 1200 ]; do sleep 0.1; i=$((i+1)); done
  [ ! -e "$t" ]
  ;;
commit)
  k=$4 t=.build-resources-$5
  [ -d "$t/x" ] || { echo "what was written is gone" >&2; exit 75; }
  if [ "$k" = dir ]; then
    if there "$n"; then echo "$d/$n is there already" >&2; exit 73; fi
    mv "$t/x" "./$n" || exit 73
  else
    mv "$t/x/$n" "./$n" || exit 73
  fi
  rm -rf "$t"
  ;;
discard) rm -rf ".build-resources-$5" ;;
esac
