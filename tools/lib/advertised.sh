# Run in a machine of profile debug as: bash -c "$(cat advertised.sh)" advertised NAME PORT
# Prints the bandwidth that the relay's tor says it can carry, in bytes per second: the last number of `bandwidth` in its descriptor. Asks
# tor on its control port. Source: dir-spec 2.1.1, control-spec 3.9.
set -e
cookie=$(od -An -v -tx1 "/run/tor-instances/$1/control.authcookie")
exec 3<>"/dev/tcp/127.0.0.1/$2"
printf 'AUTHENTICATE %s\r\nGETINFO status/fresh-relay-descs\r\nQUIT\r\n' "${cookie//[[:space:]]/}" >&3
while read -r -t 20 word _ _ observed <&3; do
    case $word in
        bandwidth) printf '%s\n' "${observed%$'\r'}"; exit 0 ;;
        5*) printf 'tor answers %s\n' "$word" >&2; exit 1 ;;
    esac
done
echo 'tor gave no descriptor' >&2
exit 1
