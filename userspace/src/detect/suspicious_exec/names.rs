//! The names by which suspicious execs are judged, a process's own choice: they only sharpen or soften what other
//! facts say. What each exec is compared with is an array; the others are lists of words.

/// What these start in temporary folders, as root, is their trade.
pub(super) const PACKAGE_MANAGERS: &str =
    "dpkg apt apt-get aptitude dpkg-preconfigu dpkg-preconfigure rpm dnf yum zypper pacman apk";
/// Builds and test runners do so too, and run what anybody wrote.
pub(super) const BUILDERS: &str = "\
    pip pip3 uv cargo rustc rustdoc go make gmake ninja cmake ctest meson npm node-gyp yarn pnpm bazel \
    gradle mvn configure pytest";
/// Container runtimes run a sealed copy of themselves (CVE-2019-5736).
pub(super) const RUNTIMES: &str =
    "runc crun containerd-shim conmon dockerd podman buildkitd buildah containerd lxc-start";
/// Programs that are pid 1 of ordinary hosts.
pub(super) const INITS: &str = "systemd init runit s6-svscan openrc-init dinit busybox tini dumb-init";
/// Programs that serve the network and seldom start others.
pub(super) const NETWORK_SERVICES: &str = "\
    nginx apache2 httpd php-fpm lighttpd caddy haproxy postgres mysqld mariadbd redis-server memcached named \
    unbound dovecot exim4 smtpd vsftpd proftpd smbd gunicorn uwsgi";
/// Who is configured to start programs on a connection's socket, and shells' way to take commands over one.
pub(super) const SOCKET_STARTERS: &str =
    "inetd xinetd systemd tcpserver tcpsvd s6-tcpserver sshd sshd-session dropbear rshd in.rshd in.rlogind";
/// Names that only kernel threads have, up to a `/` and digits or the whole of it.
pub(super) const KERNEL_THREADS: [&str; 26] = [
    "kthreadd",
    "kworker/",
    "ksoftirqd/",
    "migration/",
    "cpuhp/",
    "idle_inject/",
    "rcu_sched",
    "rcu_preempt",
    "rcu_gp",
    "rcu_par_gp",
    "rcuop/",
    "rcuos/",
    "kswapd",
    "kcompactd",
    "khugepaged",
    "ksmd",
    "kdevtmpfs",
    "kauditd",
    "khungtaskd",
    "oom_reaper",
    "kblockd",
    "kintegrityd",
    "jbd2/",
    "scsi_eh_",
    "ext4-rsv-conver",
    "irq/",
];

/// The words of a list.
pub(super) fn words(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split(' ')
}
