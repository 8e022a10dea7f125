#!/bin/sh
# SPDX-License-Identifier: MIT
# Each shell's completion has every command and every option that --help shows,
# each shell takes it, and bash completes with it.
set -u
il=$IL_BUILDDIR/ingestlayer
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
status=0
for shell in bash zsh fish; do
    "$il" completion $shell > "$dir/$shell" || exit 1
    command -v $shell >/dev/null || continue
    $shell -n "$dir/$shell" || { echo "$shell does not take it"; status=1; }
done

# knows COMMAND OPTION: letter and name, as each shell spells them
knows() {
    grep -A2 -e "^        $1)" "$dir/bash" | grep -q -e "[ ']--$2[ ']" &&
        sed -n "/^    $1)/,/;;/p" "$dir/zsh" | grep -q -e "--$2[],}[]" &&
        grep -e "_from $1'" "$dir/fish" | grep -q -e " -l $2 " && return
    [ "$2" = help ] && return # of all commands at once
    echo "$1: a shell does not know --$2"
    status=1
}
commands=$("$il" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
for command in $commands; do
    grep -q -e "-a $command " "$dir/fish" &&
        grep -q "'$command:" "$dir/zsh" ||
        { echo "no command $command"; status=1; }
    for option in $("$il" "$command" --help |
        sed -n 's/^  \(-.,\|   \) --\([a-z-]*\).*/\2/p'); do
        knows "$command" "$option"
    done
done

command -v bash >/dev/null || exit $status
# completes WANT WORD...: the last word is to be completed
completes() {
    want=$1
    shift
    got=$(bash -c '. "$0"
        COMP_WORDS=(ingestlayer "$@") COMP_CWORD=$#
        _ingestlayer
        echo "${COMPREPLY[*]}"' "$dir/bash" "$@")
    [ "$got" = "$want" ] && return
    echo "$*: expected \"$want\", got \"$got\""
    status=1
}
completes "eval emit entity" e
completes "retry" dead r
completes "--online" check --o
completes "zsh" completion z
completes "--event" dead list --ev
touch "$dir/a.conf"
completes "$dir/a.conf" run -c "$dir/a.c"
completes "" emit --source x
exit $status
