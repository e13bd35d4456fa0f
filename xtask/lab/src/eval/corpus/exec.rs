//! Programs from where programs are not run from, and under names that are not theirs.

use super::super::case::Case;
use super::super::case::Kind::SuspiciousExec;

pub(super) const ALL: &[Case] = &[
    Case::fault(SuspiciousExec, "suspicious_exec/memfd", "a program that is in memory only", "
        name agent
        exec ./agent memory",
    ).quick(),
    Case::fault(SuspiciousExec, "suspicious_exec/memfd-python", "the same from Python, another program", "exec_py memory"),
    Case::fault(SuspiciousExec, "suspicious_exec/deleted", "from a file that has no name any more", "
        name agent stripped
        exec ./agent deleted",
    ),
    Case::near_miss(SuspiciousExec, "suspicious_exec/tmp", "by root from where anybody may write, and nothing more", r#"
        cp "$PROGRAMS/stripped" "$LOOSE/update"
        "$LOOSE/update" idle 0"#,
    ).quick(),
    Case::fault(SuspiciousExec, "suspicious_exec/tmp-hidden", "the same under a hidden name", r#"
        cp "$PROGRAMS/stripped" "$LOOSE/.update"
        exec "$LOOSE/.update" idle 300"#,
    ).quick(),
    Case::fault(SuspiciousExec, "suspicious_exec/shm", "by root from /dev/shm, hidden", r#"
        cp "$PROGRAMS/fault" "/dev/shm/.$$"
        (sleep 1; rm "/dev/shm/.$$") &
        exec "/dev/shm/.$$" idle 300"#,
    ),
    Case::near_miss(SuspiciousExec, "suspicious_exec/tmp-script", "a script by root from where anybody may write", r#"
        printf '#!/bin/sh\nsleep 1\n' > "$LOOSE/install.sh"; chmod +x "$LOOSE/install.sh"
        exec "$LOOSE/install.sh""#,
    ),
    Case::fault(SuspiciousExec, "suspicious_exec/kernel-thread", "a program that calls itself [kworker/u8:3]", "
        name miner
        exec bash -c 'exec -a \"[kworker/u8:3]\" ./miner idle 3000'",
    ).needs(&["bash"]),
    Case::fault(SuspiciousExec, "suspicious_exec/kernel-thread-file", "a program whose file is called kswapd0", "
        name kswapd0 stripped
        exec ./kswapd0 idle 3000",
    ),
    Case::fault(SuspiciousExec, "suspicious_exec/shell-on-socket", "sh on a connection", "
        name web
        exec ./web shell-on-socket",
    ).quick(),
    Case::fault(SuspiciousExec, "suspicious_exec/shell-on-socket-python", "bash on one that Python made, in a container", "
        container \"$PYTHON\" \"$PROGRAMS/fault.py\" shell_on_socket",
    ).needs(&["bash"]),
    Case::fault(SuspiciousExec, "suspicious_exec/pty-spawn", "a shell on a terminal whose other end has a connection", "
        exec_py shell_on_terminal",
    ).needs(&["bash"]).blames("bash").quick(),
    Case::near_miss(SuspiciousExec, "suspicious_exec/terminal", "a shell on a terminal of script(1)", r#"
        script -qec 'bash --norc -i -c "sleep 1"; sleep 1' /dev/null < /dev/null > /dev/null"#,
    ).needs(&["bash", "script"]),
    Case::near_miss(SuspiciousExec, "suspicious_exec/command-on-socket", "sh on a connection, with its command given", "py command_on_socket 2").quick(),
    Case::near_miss(SuspiciousExec, "suspicious_exec/self-update", "a program replaces its file while it runs", r#"
        cp /bin/sleep tool
        py replace_itself "$PWD/tool""#,
    ).quick(),
    Case::near_miss(SuspiciousExec, "suspicious_exec/overlay", "programs of a container's overlay", r#"
        mkdir lower upper work merged; cp /bin/sleep lower/app
        unshare --mount sh -c 'mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged || exit 77
            cp merged/app merged/app2; merged/app 1; merged/app2 1'"#,
    ),
    Case::near_miss(SuspiciousExec, "suspicious_exec/unix-pair", "a shell on a pair of sockets, as node and sshd start it", "py shell_on_pair 3").quick(),
    Case::near_miss(SuspiciousExec, "suspicious_exec/inetd", "a program that is no shell, on a connection", "py inetd 2"),
    Case::near_miss(SuspiciousExec, "suspicious_exec/unprivileged-tmp", "nobody runs a program of its own from there", r#"
        cp "$PROGRAMS/fault" "$LOOSE/tool"; chmod a+rx "$LOOSE/tool"
        EVENTS= setpriv --reuid 65534 --clear-groups "$LOOSE/tool" exit 0 1000"#,
    ).needs(&["setpriv"]),
    Case::near_miss(SuspiciousExec, "suspicious_exec/scripts", "maintainer scripts as dpkg runs them", r#"
        mkdir -p package/DEBIAN
        printf 'Package: eval-scripts\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: x\n' > package/DEBIAN/control
        for script in preinst postinst prerm postrm; do
            printf '#!/bin/sh\nset -e\nsleep 0.2\nexit 0\n' > package/DEBIAN/$script; chmod 755 package/DEBIAN/$script
        done
        dpkg-deb --build package eval.deb || exit 77
        mkdir -p root/var/lib/dpkg/info root/var/lib/dpkg/updates root/var/lib/dpkg/triggers root/tmp
        touch root/var/lib/dpkg/status root/var/lib/dpkg/available
        dpkg --root="$PWD/root" --force-script-chrootless --install eval.deb &&
        dpkg --root="$PWD/root" --force-script-chrootless --purge eval-scripts"#,
    ).needs(&["dpkg", "dpkg-deb"]),
];
