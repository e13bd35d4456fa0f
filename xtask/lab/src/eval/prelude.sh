# What the scripts of the corpus find. Arguments: the cgroup's folders, one for each hierarchy.
for folder in "$@"; do
    echo $$ > "$folder/cgroup.procs" || exit 99
done

# Tells who is to be blamed, and when the fault is real: as the programs do.
culprit() { echo "culprit $1" > "$EVENTS"; }
crossed() { date +'crossed %s.%N' > "$EVENTS"; }

# Makes the fault program available here, under a name of its own: `name api` or `name api stripped`.
name() { ln -f "$PROGRAMS/${2:-fault}" "$1"; }

# The Python half.
py() { "$PYTHON" "$PROGRAMS/fault.py" "$@"; }
exec_py() { exec "$PYTHON" "$PROGRAMS/fault.py" "$@"; }

# In a container of its own.
export CGROUPS="$*"
container() { sh "$PROGRAMS/container.sh" "$@"; }

