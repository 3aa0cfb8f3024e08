#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Everyday programs on a directory; what they print must be the same natively and on a volume.
# usage: vfs_tools.sh DIRECTORY
set -u
cd "$1" || exit 1
export HOME=$1 GIT_CONFIG_NOSYSTEM=1 TZ=UTC LC_ALL=C
export GIT_AUTHOR_DATE="2020-01-01T00:00:00Z" GIT_COMMITTER_DATE="2020-01-01T00:00:00Z"

git config --global user.name somebody
git config --global user.email somebody@example.com
git config --global init.defaultBranch main
git config --global gc.auto 0
git init -q src
cd src || exit 1
for i in 1 2 3 4 5; do
    mkdir -p "d$i"
    seq "$i" 500 >"d$i/f"
    ln -s "d$i/f" "l$i"
    git add -A
    git commit -qm "change $i"
done
git tag v1
git checkout -qb side
echo more >>d1/f
git commit -qam side
git checkout -q main
git merge -q --no-edit side
git log --oneline
cd ..
git clone -q src copy
cd copy || exit 1
git gc -q
git fsck --full
git repack -adq
git status --short
git diff HEAD~3 --stat
git worktree add -q ../tree v1
git rev-parse HEAD
cd ..

tar cf t.tar --sort=name --mtime=@0 --owner=0 --group=0 src/d1 src/l1
tar tvf t.tar
mkdir x
tar xf t.tar -C x
diff -r src/d1 x/src/d1 && echo "tar: same"
truncate -s 10M sparse
printf abc | dd of=sparse bs=1 seek=5000000 conv=notrunc status=none
cp --sparse=always sparse sparse2
cp --reflink=auto sparse sparse3
cp --reflink=always sparse sparse4 2>&1
cmp sparse sparse2 && cmp sparse sparse3 && echo "cp: same"
test "$(du -k sparse2 | cut -f1)" -lt 200 && echo "cp: sparse"
cp -a src again
diff -r src again && echo "cp -a: same"
if command -v rsync >/dev/null; then
    rsync -aHX --delete src/ mirror/
    rsync -ain --delete src/ mirror/
    echo more >>src/d2/f
    rm src/d3/f
    rsync -aX --delete src/ mirror/
    diff -r --no-dereference src mirror && echo "rsync: same"
fi
find src -type f -name f -perm 644 | sort
find . -xdev -samefile src/d1/f
find . -type d -empty -path './src/d*' | sort
for mode in delete truncate persist memory wal off; do
    sqlite3 "db.$mode" "pragma journal_mode=$mode; create table t(a, b);
        insert into t select value, hex(zeroblob(value % 50)) from generate_series(1, 1000);
        begin; update t set a = a + 1; commit; delete from t where a % 3 = 0; vacuum;
        select count(*), sum(a) from t; pragma integrity_check;"
done
ls db.*
mkfifo pipe
seq 1 1000 >pipe &
wc -l <pipe
wait
echo a b c >q
sed -i s/b/B/ q
cat q
install -m 0751 q installed
stat -c '%a %s %F %n' installed pipe src/l1 src
touch -d @1000 q
stat -c %Y q
ln q q2
mv q2 q3
stat -c %h q3
ls -A src
