# What every runtime does for a container: a cgroup with a new id for its name, and a pid namespace in which the
# program is the first process. $CGROUPS has the folders to make it in.
id=$(od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n')
for folder in $CGROUPS; do
    mkdir "$folder/$id" && echo $$ > "$folder/$id/cgroup.procs" || exit 99
done
exec unshare --pid --fork --kill-child "$@"
