# Run in a machine of profile debug as: bash -c "$(cat history.sh)" history NAME
# Gives the relay the history of one that has carried 3 MB/s for two days, as its tor writes it when it ends.
set -e
relay=$1
# On SIGTERM tor writes its state and ends at once; after the SIGINT that a stop begins with, it gives its clients half a minute.
systemctl kill -s TERM "tor@$relay" && systemctl stop "tor@$relay"
cd "/var/lib/tor-instances/$relay"
printf -v now '%(%F %T)T' -1
{
    printf 'TorVersion Tor 0.4.9.15\nLastWritten %s\n' "$now"
    for what in Read Write; do
        printf "BWHistory$what%s\n" "Ends $now" "Interval 86400" "Values 259200000000,259200000000,1024" "Maxima 3000000,3000000,1024"
    done
} >state.seed
chown "_tor-$relay:" state.seed
chmod 600 state.seed
mv state.seed state
# The caller sees the end of this output, and may no longer have the machine.
systemctl start "tor@$relay" || {
    systemctl show -p Result -p ExecMainStatus -p StatusText "tor@$relay"
    journalctl -b -u "tor@$relay" -n 20 -o cat --no-pager
    exit 1
} >&2
