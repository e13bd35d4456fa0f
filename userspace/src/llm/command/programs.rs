//! The programs that may be proposed, with every option that may go with them. An option that writes, kills, sets,
//! runs or loads something, or reaches another host, is on no list; neither is one that nobody needs at night.

/// What words that are no options a program may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operands {
    /// None: they would be written, or mean nothing.
    None,
    /// Pids, intervals and counts.
    Numbers,
    /// Any without `=`, which would set something.
    Names,
    /// Any: they are only read.
    Any,
}

/// A program and its harmless options.
#[derive(Clone, Copy)]
pub(super) struct Program {
    name: &'static str,
    /// What the operands must begin with, one of these, `|` between them; empty: anything.
    pub(super) verbs: &'static str,
    /// Short options without a value.
    pub(super) flags: &'static str,
    /// Short options with a value, in the same word or the next.
    pub(super) valued: &'static str,
    /// Short options with a value in the same word, or none.
    pub(super) optional: &'static str,
    /// Long options: `name`, `name=` with a value, `name?` with an optional one.
    pub(super) long: &'static str,
    /// The options are whole words with one dash and stand in `long`.
    pub(super) whole_words: bool,
    /// A flag without which it would not just look.
    pub(super) needs: Option<char>,
    pub(super) operands: Operands,
    /// Whether it opens the files it is given.
    pub(super) opens: bool,
}

/// A program that reads the files it is given.
const fn reader(
    name: &'static str,
    flags: &'static str,
    valued: &'static str,
    long: &'static str,
) -> Program {
    Program {
        name,
        verbs: "",
        flags,
        valued,
        optional: "",
        long,
        whole_words: false,
        needs: None,
        operands: Operands::Any,
        opens: true,
    }
}

/// A program that shows what it is asked for and opens nothing that is named.
const fn shower(
    name: &'static str,
    flags: &'static str,
    valued: &'static str,
    long: &'static str,
) -> Program {
    Program { opens: false, ..reader(name, flags, valued, long) }
}

/// As [`shower`], for these operands only.
const fn bare(
    name: &'static str,
    operands: Operands,
    flags: &'static str,
    valued: &'static str,
    long: &'static str,
) -> Program {
    Program { operands, ..shower(name, flags, valued, long) }
}

/// A program of which only some verbs read.
const fn verbs(
    name: &'static str,
    verbs: &'static str,
    flags: &'static str,
    valued: &'static str,
    long: &'static str,
) -> Program {
    Program { verbs, ..shower(name, flags, valued, long) }
}

const GREP: &str = "color? colour? include= exclude= exclude-dir= ignore-case extended-regexp fixed-strings \
                    perl-regexp count invert-match word-regexp line-number max-count= after-context= \
                    before-context= context= only-matching no-filename with-filename no-messages recursive text \
                    regexp= quiet files-with-matches line-buffered";
const CONTAINER: &str = "tail= since= until= timestamps follow no-trunc no-stream format= filter= all quiet \
                         latest size type=";

const PROGRAMS: &[Program] = &[
    reader("cat", "nAbsTvEte", "", "number show-all"),
    reader("column", "tx", "sNc", "table separator="),
    reader("cut", "s", "dfcb", "delimiter= fields= characters= complement only-delimited output-delimiter="),
    reader("egrep", "EFGPivwxcLlqsnHhorRIaz", "eABCm", GREP),
    reader("grep", "EFGPivwxcLlqsnHhorRIaz", "eABCm", GREP),
    reader("head", "qvz", "nc", "lines= bytes= quiet verbose"),
    reader("md5sum", "bt", "", "binary text"),
    reader("nl", "", "bw", ""),
    reader(
        "nm",
        "aACDgnprSu",
        "",
        "demangle? dynamic defined-only undefined-only size-sort numeric-sort print-size extern-only",
    ),
    reader(
        "readelf",
        "ahlSsegtnrduVAIW",
        "xp",
        "all wide notes headers segments sections symbols dynamic dyn-syms file-header program-headers",
    ),
    reader("sha256sum", "bt", "", "binary text"),
    reader(
        "sort",
        "bdfghinrRuVmszM",
        "kt",
        "reverse numeric-sort human-numeric-sort version-sort unique key= field-separator= ignore-case stable",
    ),
    reader("tail", "qvzfF", "ncs", "lines= bytes= follow? quiet verbose retry"),
    reader("wc", "lwcmL", "", "lines words bytes chars"),
    bare("tr", Operands::Any, "dscCt", "", "delete squeeze-repeats complement"),
    // A second file would be written.
    bare("uniq", Operands::None, "cdDuiz", "fsw", "count repeated unique ignore-case skip-fields="),
    // Processes.
    shower(
        "ps",
        "AadefFHjlLmMsTwyczZXhrNx",
        "CGgoOpqtuUk",
        "sort= ppid= pid= no-headers no-heading headers forest user= User= cols= width= format= quick-pid= \
         deselect group= tty= cumulative",
    ),
    shower("pstree", "aAcghlnpsStTuU", "N", "arguments show-pids show-parents long numeric-sort"),
    shower(
        "pgrep",
        "aflnovxwci",
        "uUgGPstd",
        "full list-name list-full exact parent= newest oldest count euid= uid= delimiter= ignore-case",
    ),
    shower("pidof", "sxcq", "o", ""),
    bare("pmap", Operands::Numbers, "xXdqp", "", "extended device quiet show-path"),
    Program { optional: "is", ..shower("lsof", "nPUtlRwbXaO", "pucgFd", "") },
    Program {
        needs: Some('b'),
        ..bare("top", Operands::None, "bcHiS1", "dnopuUEew", "batch-mode iterations= pid= sort-override=")
    },
    // With -e it would run a program.
    bare("pidstat", Operands::Numbers, "dhHIlrRsuvwt", "pTC", "human dec="),
    bare("mpstat", Operands::Numbers, "Auwn", "PIN", "dec="),
    bare("iostat", Operands::Any, "xkmdchtyzN", "p", "human pretty compact dec="),
    bare(
        "vmstat",
        Operands::Numbers,
        "aswtnmdDf",
        "S",
        "active stats wide timestamp one-header slabs disk unit=",
    ),
    bare(
        "free",
        Operands::None,
        "hbkmgtwlv",
        "sc",
        "human bytes kibi mebi gibi mega giga wide total lohi si count= seconds=",
    ),
    bare("slabtop", Operands::None, "o", "s", "once sort="),
    bare("uptime", Operands::None, "ps", "", "pretty since"),
    bare("uname", Operands::None, "asnrvmpio", "", "all kernel-release"),
    bare("nproc", Operands::None, "", "", "all"),
    bare("lscpu", Operands::None, "eabJ", "", "extended? all"),
    bare("lsns", Operands::Numbers, "nlru", "pto", "task= type= output= noheadings list notruncate"),
    bare("lsmod", Operands::None, "", "", ""),
    bare("ipcs", Operands::None, "asmqptulb", "", "all shmems queues semaphores limits summary human"),
    bare("w", Operands::Names, "hsfip", "", ""),
    bare("last", Operands::Any, "adFiwx", "nst", "since= until= limit= fullnames"),
    bare("id", Operands::Names, "unGgr", "", "user name groups group"),
    // Not `hosts`, which asks a name server.
    verbs("getent", "passwd|group", "", "", ""),
    // Files, without opening them.
    shower(
        "ls",
        "laAhtrSRdiFnZs1LHUuckXpgoNQqbmxCfGBv",
        "",
        "color? full-time time-style= human-readable all almost-all sort= time= inode size directory recursive \
         reverse numeric-uid-gid dereference",
    ),
    shower("stat", "fLtZ", "c", "format= printf= file-system dereference terse"),
    shower("readlink", "fenmsqvz", "", "canonicalize canonicalize-existing canonicalize-missing no-newline"),
    shower(
        "df",
        "hTiaklPH",
        "txB",
        "output? human-readable total inodes print-type local type= all portability",
    ),
    shower(
        "du",
        "shacxkmbDLlPS0",
        "dtB",
        "max-depth= apparent-size summarize human-readable time? exclude= threshold= total one-file-system si all \
         inodes",
    ),
    shower("lsblk", "afbmnpltSJ", "oe", "all fs bytes output= paths list noheadings topology"),
    shower(
        "findmnt",
        "aDlnbRuvx",
        "toTSMN",
        "target= source= types= output= df list noheadings all bytes task= submounts real",
    ),
    // Logs and services.
    shower(
        "journalctl",
        "bkrxaeqmlf",
        "untpogSUFI",
        "no-pager no-hostname utc list-boots disk-usage dmesg boot? unit= user-unit= user system since= until= \
         lines= priority= grep= case-sensitive? identifier= facility= output= output-fields= reverse catalog all \
         quiet merge no-full full no-tail pager-end follow field= fields show-cursor truncate-newline",
    ),
    bare(
        "dmesg",
        Operands::None,
        "HkLrtTuwxdeSP",
        "lfs",
        "ctime human nopager kernel reltime follow color? decode time-format= notime userspace show-delta level= \
         facility= since= until=",
    ),
    verbs(
        "systemctl",
        "status|show|cat|is-active|is-failed|is-enabled|list-units|list-timers|list-unit-files|list-sockets|\
         list-dependencies|list-jobs",
        "laqr",
        "ntpPo",
        "no-pager full all failed lines= type= state= property= value output= user reverse after before \
         no-legend plain recursive quiet",
    ),
    verbs(
        "loginctl",
        "list-sessions|list-users|session-status|user-status",
        "",
        "n",
        "no-pager no-legend lines=",
    ),
    verbs("coredumpctl", "info|list", "1rq", "nSUF", "no-pager no-legend since= until= reverse quiet field="),
    shower("systemd-cgls", "lak", "u", "no-pager all full unit="),
    bare(
        "systemd-cgtop",
        Operands::Any,
        "b1rpctmiPk",
        "nd",
        "batch iterations= depth= order= delay= raw cpu?",
    ),
    // The network.
    shower(
        "ss",
        "nalptuwxemisoO46HT",
        "fA",
        "listening tcp udp unix numeric processes all summary extended info memory options family= query= \
         no-header oneline",
    ),
    shower(
        "netstat",
        "tulpnaesiWrgo",
        "",
        "listening tcp udp numeric programs all statistics route interfaces wide",
    ),
    Program {
        whole_words: true,
        ..verbs(
            "ip",
            "addr show|address show|link show|route show|route get|neigh show|rule show",
            "",
            "",
            "-s -d -4 -6 -br -o -brief -details -statistics -stats -oneline -j -json",
        )
    },
    bare("sysctl", Operands::Names, "naeN", "", "all values names ignore"),
    // Containers.
    verbs("docker", "inspect|logs|ps|stats|top", "aqftsl", "no", CONTAINER),
    verbs("podman", "inspect|logs|ps|stats|top", "aqftsl", "no", CONTAINER),
    verbs(
        "crictl",
        "inspect|inspectp|logs|ps|pods|stats|images",
        "aqfpt",
        "o",
        "tail= since= timestamps follow previous output= name= state= label= pod= all quiet no-trunc",
    ),
    verbs(
        "kubectl",
        "describe|get|logs|top|events",
        "Apwf",
        "nolc",
        "namespace= all-namespaces all-containers? container= previous? tail= since= since-time= selector= \
         output= sort-by= field-selector= show-labels no-headers timestamps? containers show-events? prefix",
    ),
];

/// The program of that name, which has no path: a path could lead to anything.
pub(super) fn find(name: &str) -> Option<&'static Program> {
    PROGRAMS.iter().find(|program| program.name == name)
}
