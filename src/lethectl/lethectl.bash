# bash completion for lethectl(1)

_lethectl() {
    local current=${COMP_WORDS[COMP_CWORD]} word words=() choices=
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word == -* ]] || words+=("$word")
    done
    case ${words[*]} in
        '') choices='status enroll identity --json --help --version' ;;
        enroll*) choices=$(lethectl enroll --help 2>/dev/null | grep -oE -- '--[a-z-]+') ;;
        identity) choices='list show create verify reload' ;;
        'identity show'|'identity verify') choices=$(lethectl identity list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
        *) choices='--json --help' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
}
complete -F _lethectl lethectl
