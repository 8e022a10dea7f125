/* SPDX-License-Identifier: MIT */
/* ingestlayer completion: for a shell, what may stand behind each command, from
 * the tables that the commands read their lines with. */
#include "private.h"

#include <string.h>

static const struct command_option options[] = { { 0 } };

const struct command_help command_completion_help = {
    .text = "usage: ingestlayer completion bash|zsh|fish\n"
            "Print the completion of ingestlayer's commands for a shell; for "
            "this one:\n"
            "  bash: source <(ingestlayer completion bash)\n"
            "  zsh:  source <(ingestlayer completion zsh)\n"
            "  fish: ingestlayer completion fish | source\n"
            "\n",
    .verbs = "bash zsh fish",
    .options = options,
};

/* The first part of a help, for a list that has a line for each; quoted for a
 * word in single quotes, with what else the shell wants escaped. */
static void
put_help(const char *help, const char *escaped)
{
    size_t len = strcspn(help, ";");
    const char *more = strstr(help, " (");
    if (more && (size_t) (more - help) < len)
        len = (size_t) (more - help);
    for (size_t i = 0; i < len; i++) {
        if (help[i] == '\'' && !strchr(escaped, '\'')) {
            fputs("'\\''", stdout);
            continue;
        }
        if (strchr(escaped, help[i]))
            putchar('\\');
        putchar(help[i]);
    }
}

/* What an option's argument is called says what it may be. */
static int
is_file(const struct command_option *o)
{
    return o->argument && strcmp(o->argument, "FILE") == 0;
}

static int
is_dir(const struct command_option *o)
{
    return o->argument && strcmp(o->argument, "DIR") == 0;
}

/* --- bash ----------------------------------------------------------------- */

/* Both spellings of the options for which `wanted` holds; NULL: of all. */
static void
put_spellings(const struct command_help *h,
              int (*wanted)(const struct command_option *))
{
    for (const struct command_option *o = h->options; o->name; o++) {
        if (wanted && !wanted(o))
            continue;
        if (o->letter < COMMAND_FLAG)
            printf(" -%c", o->letter);
        printf(" --%s", o->name);
    }
}

static void
print_bash(void)
{
    puts("# bash completion for ingestlayer, made by: ingestlayer completion "
         "bash\n"
         "_ingestlayer()\n"
         "{\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} "
         "prev=${COMP_WORDS[COMP_CWORD-1]}\n"
         "    local words='' files='' dirs=''\n"
         "    COMPREPLY=()\n"
         "    if [[ $COMP_CWORD -gt 1 ]]; then\n"
         "        case ${COMP_WORDS[1]} in");
    for (size_t i = 0; i < command_count; i++) {
        const struct command_help *h = command_table[i].help;
        printf("        %s)\n            words='%s%s", command_table[i].name,
               h->verbs ? h->verbs : "", h->verbs ? " " : "");
        printf("-h --help");
        put_spellings(h, NULL);
        printf("'\n            files='");
        put_spellings(h, is_file);
        printf(" '\n            dirs='");
        put_spellings(h, is_dir);
        puts(" ' ;;");
    }
    fputs("        esac\n"
          "    else\n"
          "        words='-h --help --version",
          stdout);
    for (size_t i = 0; i < command_count; i++)
        printf(" %s", command_table[i].name);
    puts("'\n"
         "    fi\n"
         "    if [[ $files == *\" $prev \"* ]]; then\n"
         "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
         "    elif [[ $dirs == *\" $prev \"* ]]; then\n"
         "        mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")\n"
         "    else\n"
         "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
         "    fi\n"
         "}\n"
         "complete -o default -F _ingestlayer ingestlayer");
}

/* --- zsh ------------------------------------------------------------------ */

static void
print_zsh_option(const struct command_option *o)
{
    if (o->letter < COMMAND_FLAG)
        printf(" \\\n            '(-%c --%s)'{-%c,--%s}'[", o->letter, o->name,
               o->letter, o->name);
    else
        printf(" \\\n            '--%s[", o->name);
    put_help(o->help, "[]:");
    putchar(']');
    if (o->argument)
        printf(":%s:%s", o->argument,
               is_file(o)  ? "_files"
               : is_dir(o) ? "_files -/"
                           : "");
    putchar('\'');
}

static void
print_zsh(void)
{
    puts("#compdef ingestlayer\n"
         "# zsh completion for ingestlayer, made by: ingestlayer completion "
         "zsh\n"
         "_ingestlayer() {\n"
         "    local -a commands\n"
         "    commands=(");
    for (size_t i = 0; i < command_count; i++) {
        printf("        '%s:", command_table[i].name);
        put_help(command_table[i].summary, "");
        puts("'");
    }
    puts("    )\n"
         "    if (( CURRENT == 2 )); then\n"
         "        _describe command commands\n"
         "        return\n"
         "    fi\n"
         "    shift words\n"
         "    (( CURRENT-- ))\n"
         "    case $words[1] in");
    for (size_t i = 0; i < command_count; i++) {
        const struct command_help *h = command_table[i].help;
        printf("    %s)\n        _arguments -s", command_table[i].name);
        for (const struct command_option *o = h->options; o->name; o++)
            print_zsh_option(o);
        printf(" \\\n            '(-h --help)'{-h,--help}'[print help]'");
        if (h->verbs)
            printf(" \\\n            '1: :(%s)'", h->verbs);
        puts(" \\\n            '*: :_files' ;;");
    }
    puts("    esac\n"
         "}\n"
         "if [[ $funcstack[1] = _ingestlayer ]]; then\n"
         "    _ingestlayer \"$@\"\n"
         "else\n"
         "    compdef _ingestlayer ingestlayer\n"
         "fi");
}

/* --- fish ----------------------------------------------------------------- */

static void
print_fish_command(const struct command_entry *c)
{
    printf("complete -c ingestlayer -n __fish_use_subcommand -f -a %s -d '",
           c->name);
    put_help(c->summary, "\\'");
    puts("'");
    if (c->help->verbs)
        printf("complete -c ingestlayer -n '__fish_seen_subcommand_from %s; "
               "and not __fish_seen_subcommand_from %s' -f -a '%s'\n",
               c->name, c->help->verbs, c->help->verbs);
    for (const struct command_option *o = c->help->options; o->name; o++) {
        printf("complete -c ingestlayer -n '__fish_seen_subcommand_from %s'",
               c->name);
        if (o->letter < COMMAND_FLAG)
            printf(" -s %c", o->letter);
        printf(" -l %s", o->name);
        if (o->argument)
            printf(is_file(o)  ? " -rF"
                   : is_dir(o) ? " -xa '(__fish_complete_directories)'"
                               : " -x");
        printf(" -d '");
        put_help(o->help, "\\'");
        puts("'");
    }
}

static void
print_fish(void)
{
    puts("# fish completion for ingestlayer, made by: ingestlayer completion "
         "fish\n"
         "complete -c ingestlayer -s h -l help -d 'print help'\n"
         "complete -c ingestlayer -n __fish_use_subcommand -l version -d "
         "'print the version'");
    for (size_t i = 0; i < command_count; i++)
        print_fish_command(&command_table[i]);
}

int
command_completion(int argc, char **argv)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } shells[] = { { "bash", print_bash },
                   { "zsh", print_zsh },
                   { "fish", print_fish } };
    struct command_line line = { .help = &command_completion_help,
                                 .max_arguments = 1 };
    int code = command_read(&line, argc, argv);
    if (code >= 0)
        return code;
    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (!line.arguments[0]
            || strcmp(line.arguments[0], shells[i].shell) != 0)
            continue;
        shells[i].print();
        return 0;
    }
    command_print_help(&command_completion_help, stderr);
    return 2;
}
