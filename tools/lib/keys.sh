# Sourced after trixie.sh: handles the keys that sign images, and the certificates that a firmware gets.
#
#   keys_choose PROFILE             sets keys_set (debug or production) and keys, its folder; certificates, which anyone may see
#   keys_prepare PASSPHRASE_FILE [URI [NO_PASSPHRASE]]
#                                   makes the keys that are missing. Without a file it asks at the terminal for the passphrase of protected
#                                   keys and of new production keys; NO_PASSPHRASE, for tests, makes the latter in clear. With the URI of a
#                                   PKCS #11 token it uses the keys in the token, which the passphrase, its PIN, opens, and makes no keys
#   keys_run COMMAND ...            runs a command on Debian 13 that finds the keys, in clear or as references to the token, in /run/lethe-keys
#   keys_vm COMMAND ...             runs a command that signs releases of the debug profile in tests: $LETHE_KEYS is the folder of that set
#
# A set is PK, KEK and db: NAME.key (PKCS #8, readable only by its owner) and NAME.pem, a certificate. db signs images; the firmware wants
# PK and KEK above it. For keys in a token (tools/lib/pkcs11.py) the set has only the certificates. Debug images have a set of their own: no
# machine that trusts production trusts them.

lethe_keys=${XDG_DATA_HOME:-$HOME/.local/share}/lethe
keys_passphrase= keys_token=

keys_choose() {
    case $1 in
        production|metal) keys_set=production ;;
        *) keys_set=debug ;;
    esac
    keys=$lethe_keys/$keys_set certificates=$LETHE_CACHE/certificates/$keys_set
}

keys_prepare() {
    local file=$1 no_passphrase=${3:-} name again
    keys_token=${2:-} keys_passphrase=
    (umask 077; mkdir -p "$keys")
    chmod 700 "$lethe_keys" "$keys"
    mkdir -p "$certificates"
    if [ -z "$keys_token" ] && [ ! -e "$keys/db.pem" ] && [ -e "$LETHE_CACHE/keys/db.key" ]; then
        say "making new keys: $LETHE_CACHE/keys, which signed every profile, is no longer used; move its files to $keys to sign with them again"
    fi
    if [ -n "$file" ]; then
        IFS= read -r keys_passphrase <"$file" || [ -n "$keys_passphrase" ] || die "no passphrase in $file"
        [ ${#keys_passphrase} -ge 4 ] || die "the passphrase in $file has less than 4 characters"
    elif [ -n "$keys_token" ]; then
        [ -t 0 ] || die "the token wants its PIN; give it with --passphrase-file"
        IFS= read -rsp "PIN of the token: " keys_passphrase && echo >&2
    elif grep -qs 'ENCRYPTED' "$keys"/*.key; then
        [ -t 0 ] || die "the keys in $keys have a passphrase; give --passphrase-file"
        IFS= read -rsp "Passphrase of the keys in $keys: " keys_passphrase && echo >&2
    elif [ "$keys_set" = production ] && [ -z "$no_passphrase" ]; then
        if keys_are_there; then
            [ ! -e "$keys/db.key" ] || say "the production keys in $keys have no passphrase: anyone who can read them can sign releases"
        else
            [ -t 0 ] || die "there are no production keys in $keys yet, and no terminal to ask for their passphrase: give --passphrase-file or --pkcs11 (or, for tests, --no-passphrase)"
            IFS= read -rsp "Passphrase for the new production keys in $keys: " keys_passphrase && echo >&2
            [ ${#keys_passphrase} -ge 4 ] || die "the passphrase has less than 4 characters"
            IFS= read -rsp "The same again: " again && echo >&2
            [ "$keys_passphrase" = "$again" ] || die "the passphrases do not match, no key was made"
        fi
    fi
    if [ -n "$keys_token" ]; then keys_run true || die "can't sign with the keys in the token"; fi
    for name in PK KEK db; do
        if [ -n "$keys_token" ]; then
            :
        elif [ -e "$keys/$name.pem" ]; then
            [ -e "$keys/$name.key" ] || die "there is no $keys/$name.key beside its certificate; give --pkcs11 if the key lies in a token"
        else
            say "making the $keys_set key $name in $keys"
            keys_make "$name"
        fi
        cp "$keys/$name.pem" "$certificates/$name.pem"
    done
}

keys_are_there() {
    local name
    for name in PK KEK db; do [ -e "$keys/$name.pem" ] || return 1; done
}

# Without a passphrase, a key is stored in clear. Otherwise it is in clear only in memory.
keys_make() {
    printf '%s\n' "$keys_passphrase" | trixie_keys=$keys trixie_run unshare --mount --propagation private bash -euc '
        folder=$1 name=$2 set=$3
        umask 077
        IFS= read -r passphrase
        mkdir -p /run/lethe-keys
        mount -t tmpfs -o mode=700,size=1M lethe-keys /run/lethe-keys
        openssl req -quiet -new -x509 -newkey rsa:2048 -noenc -sha256 -days 3650 -subj "/CN=Lethe $set $name/" \
            -keyout /run/lethe-keys/key -out /run/lethe-keys/pem
        if [ -n "$passphrase" ]; then
            printf "%s\n" "$passphrase" | openssl pkcs8 -topk8 -in /run/lethe-keys/key -out "$folder/$name.key" -passout stdin
        else
            cp /run/lethe-keys/key "$folder/$name.key"
        fi
        cp /run/lethe-keys/pem "$folder/$name.pem"
    ' keys_make "$keys" "$name" "$keys_set"
}

keys_run() {
    if [ -n "$keys_token" ]; then
        printf '%s\n' "$keys_passphrase" | trixie_keys=$keys trixie_run unshare --mount --propagation private \
            python3 -B "$lethe_top/tools/lib/pkcs11.py" "$keys" "$keys_set" "$keys_token" "$@"
        return
    fi
    printf '%s\n' "$keys_passphrase" | trixie_keys=$keys trixie_run unshare --mount --propagation private bash -euc '
        folder=$1; shift
        IFS= read -r passphrase
        mkdir -p /run/lethe-keys
        mount -t tmpfs -o mode=700,size=1M lethe-keys /run/lethe-keys
        (umask 077
        for name in PK KEK db; do
            cp "$folder/$name.pem" /run/lethe-keys/
            printf "%s\n" "$passphrase" | openssl pkey -in "$folder/$name.key" -passin stdin -out "/run/lethe-keys/$name.key" 2>/dev/null ||
                { echo "the passphrase does not open $folder/$name.key" >&2; exit 1; }
        done)
        unset passphrase
        "$@" </dev/null
    ' keys_run "$keys" "$@"
}

keys_vm() {
    trixie_keys=$lethe_keys/debug trixie_run env LETHE_CACHE="$LETHE_CACHE" LETHE_KEYS="$lethe_keys/debug" "$@"
}
