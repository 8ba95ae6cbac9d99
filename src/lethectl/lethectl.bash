# bash completion for lethectl(1)

_lethectl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} word words=() choices=
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word == -* ]] || words+=("$word")
    done
    _lethectl_relays() { lethectl identity list 2>/dev/null | awk 'NR > 1 { print $1 }'; }
    _lethectl_fingerprints() { lethectl identity list 2>/dev/null | awk 'NR > 1 && $3 != "-" { print $3 }'; }
    _lethectl_options() { lethectl "${words[@]:0:2}" --help 2>/dev/null | grep -oE -- '^  --[a-z-]+'; }
    case $previous in
        --key|--passphrase-file|--loader|--event-log|--records|--beside|--set) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
        --extra-d|--credentials|--addons) mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
        --secure-boot) choices='on off' ;;
        --phase) choices='enter-initrd leave-initrd sysinit ready shutdown final' ;;
        --bank) choices='sha1 sha256 sha384 sha512' ;;
        --when) choices='now quiet never' ;;
        --replace|--fingerprint) choices=$(_lethectl_fingerprints) ;;
        *) case ${words[*]} in
            '') choices='status enroll identity measure state store update recovery-key --json --help --version' ;;
            enroll*) choices=$(lethectl enroll --help 2>/dev/null | grep -oE -- '--[a-z-]+') ;;
            identity) choices='list show create import export recover forget verify reload' ;;
            state) choices='show snapshot reset' ;;
            store) choices='show accept' ;;
            update) choices='show stage configure plan reboot retry abort commit' ;;
            recovery-key) choices='new set show remove' ;;
            'identity show'|'state show'|'identity verify'|'identity forget'|'identity export') choices="$(_lethectl_relays) $(_lethectl_options)" ;;
            'identity forget '*) choices=$(_lethectl_fingerprints) ;;
            'identity import '*|'identity export '*|'identity recover'|'recovery-key new'|'update stage'*|'update plan'*|measure)
                mapfile -t COMPREPLY < <(compgen -f -- "$current"; compgen -W "$(_lethectl_options)" -- "$current"); return ;;
            *) choices="--json --help $(_lethectl_options)" ;;
        esac ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
}
complete -F _lethectl lethectl
