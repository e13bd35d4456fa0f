# A container of the test's own: `hang.sh SERVER FOLDER PROGRAM NAME…`. PROGRAM is run by each NAME from a file system
# that can hang; a NAME that begins with "over" from an overlay on top of it.
"$1" "$2/mnt" "$3" &
folder=$2
shift 3
while ! [ -e "$folder/mnt/$1" ]; do sleep 0.05; done
mount -t overlay overlay -o "lowerdir=$folder/mnt:$folder/low" "$folder/merged" || exit 5
for name; do
    case $name in
        over*) "$folder/merged/$name" & ;;
        *) "$folder/mnt/$name" & ;;
    esac
done
echo ready
wait
sleep 1000
