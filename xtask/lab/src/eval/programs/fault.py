"""The corpus's faults and near misses in another language. Tells what it does as fault.c does: lines
`culprit PID` and `crossed TIME` to the file that $EVENTS names."""

import ctypes
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import time


def tell(line):
    with open(os.environ["EVENTS"], "a") as events:
        events.write(line + "\n")


def culprit(pid=None):
    tell(f"culprit {pid or os.readlink('/proc/self')}")


def crossed():
    tell(f"crossed {time.time():.6f}")


def forever():
    while True:
        time.sleep(3600)


def grow(kib, every_ms, most_kib=0, crossed_kib=-1):
    """So many KiB every so many ms, kept in a list."""
    culprit()
    kept, held = [], 0
    while most_kib == 0 or held < most_kib:
        if held <= crossed_kib < held + kib:
            crossed()
        kept.append(bytearray(b"\1" * (kib * 1024)))
        held += kib
        time.sleep(every_ms / 1000)
    forever()


def leak_under_load(kib, every_ms, seconds):
    """Keeps a little of much that it allocates: growth with noise on it."""
    culprit()
    crossed()
    kept = []
    end = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end:
        turn += 1
        noise = bytearray(b"\1" * (1024 * kib * (turn * 7 % 5)))
        kept.append(bytearray(b"\1" * (kib * 1024)))
        time.sleep(every_ms / 1000)
        del noise
    forever()


def zombies(count, every_ms, threshold):
    """Children that are never waited for."""
    culprit()
    for made in range(1, count + 1):
        pid = os.fork()
        if pid == 0:
            os.execv("/bin/true", ["true"])
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        if made == threshold:
            crossed()
        time.sleep(every_ms / 1000)
    forever()


def spin():
    culprit()
    crossed()
    while True:
        pass


def retry():
    """Connects to where nobody listens, without a pause."""
    culprit()
    crossed()
    while True:
        with socket.socket() as it:
            it.connect_ex(("127.0.0.1", 1))


def compute(seconds):
    """Computes, and prints how far it is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        step = time.monotonic() + 0.8
        found = 0
        while time.monotonic() < step:
            found += sum(1 for i in range(2000) if i % 7 == 0)
        print(found, flush=True)


def segv():
    culprit()
    crossed()
    ctypes.string_at(0)


def segv_thread():
    thread = threading.Thread(target=segv)
    thread.start()
    thread.join()


def sockets(count, every_ms, threshold):
    """Connections to itself, never closed."""
    culprit()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    kept = [listener]
    try:
        while len(kept) < count:
            kept.append(socket.create_connection(listener.getsockname()))
            kept.append(listener.accept()[0])
            if len(kept) - 2 < threshold <= len(kept):
                crossed()
            time.sleep(every_ms / 1000)
    except OSError:
        pass
    forever()


def server(connections, seconds):
    """A server with many connections that stay."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    kept = []
    for _ in range(connections // 2):
        kept.append(socket.create_connection(listener.getsockname()))
        kept.append(listener.accept()[0])
    time.sleep(seconds)


def fd_waves(count, turns):
    """Opens many and closes them again."""
    for _ in range(turns):
        kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(count)]
        time.sleep(0.7)
        for fd in kept:
            os.close(fd)
        time.sleep(0.7)


def threads(count, every_ms, threshold):
    culprit()
    for made in range(1, count + 1):
        threading.Thread(target=forever, daemon=True).start()
        if made == threshold:
            crossed()
        time.sleep(every_ms / 1000)
    forever()


def pool(count, seconds):
    """A thread pool: all at once, then no more."""
    for _ in range(count):
        threading.Thread(target=time.sleep, args=(seconds,), daemon=True).start()
    time.sleep(seconds)


def bomb():
    culprit()
    crossed()
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.02)


def brood(count, every_ms, threshold):
    """Children that stay."""
    culprit()
    for made in range(1, count + 1):
        if os.fork() == 0:
            forever()
        if made == threshold:
            crossed()
        time.sleep(every_ms / 1000)
    forever()


def memory():
    """Runs a program that is in memory only."""
    fd = os.memfd_create("payload", os.MFD_CLOEXEC)
    with open("/bin/sleep", "rb") as source:
        os.write(fd, source.read())
    culprit()
    crossed()
    os.execve(fd, ["sleep", "60"], os.environ)


def take_commands_from_a_connection():
    """Makes a connection the standard input and outputs; whoever has its other end stays."""
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    if os.fork() == 0:
        connection = listener.accept()[0]
        client.close()
        forever()
        connection.close()
    listener.close()
    for fd in range(3):
        os.dup2(client.fileno(), fd)


def shell_on_socket():
    """What every list of one-line reverse shells has."""
    take_commands_from_a_connection()
    culprit()
    crossed()
    os.execv("/bin/bash", ["bash", "-i"])


def shell_on_terminal():
    """A shell on a terminal of its own, as pty.spawn and socat make one: what it reads comes over a connection."""
    take_commands_from_a_connection()
    crossed()
    pty.spawn(["/bin/bash", "--norc", "-i"])


def command_on_socket(seconds):
    """A shell with a connection as its stdin, and its command on its command line."""
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    connection = listener.accept()[0]
    child = subprocess.Popen(["/bin/sh", "-c", f"date; sleep {seconds}"], stdin=connection, stdout=connection)
    connection.close()
    child.wait()
    client.close()


def shell_on_pair(seconds):
    """A shell as node, sshd and many others start one: on a pair of sockets that has no address."""
    ours, theirs = socket.socketpair()
    subprocess.Popen(["/bin/sh", "-c", "cat; exit 0"], stdin=theirs, stdout=theirs)
    theirs.close()
    time.sleep(seconds)
    ours.close()
    os.wait()


def inetd(seconds):
    """A program that is no shell, with a connection as its stdin, as inetd starts it."""
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    connection = listener.accept()[0]
    child = subprocess.Popen(["/bin/cat"], stdin=connection, stdout=connection)
    connection.close()
    client.sendall(b"hello\n")
    time.sleep(seconds)
    client.close()
    child.wait()


def supervise(starts, pause_ms, *command):
    """Starts it again when it ends, so many times: a supervisor that no list knows."""
    pause_ms = int(pause_ms)
    time.sleep(float(os.environ.get("SUPERVISOR_AGE_S", "0")))
    for _ in range(int(starts)):
        subprocess.run(command, check=False)
        time.sleep(pause_ms / 1000)
    forever()


def supervise_and_stop(seconds, *command):
    """Starts it, and ends it with SIGTERM when it is no longer wanted."""
    child = subprocess.Popen(command)
    time.sleep(int(seconds))
    child.terminate()
    child.wait()


def prefork(workers, turns, seconds):
    """A web server's master: workers that are replaced in turn."""
    def work():
        time.sleep(seconds)
        os._exit(0)

    def start():
        pid = os.fork()
        if pid == 0:
            work()

    for _ in range(workers):
        start()
    for _ in range(workers * (turns - 1)):
        os.wait()
        start()
    for _ in range(workers):
        os.wait()


def keys(text, wait_ms, *command):
    """A person at a terminal: starts it, waits, presses keys (\\x03 is Ctrl-C, \\x1c is Ctrl-\\)."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    try:
        while True:
            time.sleep(int(wait_ms) / 1000)
            # Again, if it was not yet ready for them.
            os.write(terminal, text.encode().decode("unicode_escape").encode("latin-1"))
            while select.select([terminal], [], [], 5)[0]:
                os.read(terminal, 4096)
    except OSError:
        pass
    os.waitpid(pid, 0)


def hang_up(wait_ms, text, *command):
    """A person types into a terminal, and the terminal goes away: a connection is lost."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    time.sleep(int(wait_ms) / 1000)
    os.write(terminal, text.encode().decode("unicode_escape").encode("latin-1"))
    time.sleep(int(wait_ms) / 1000)
    os.close(terminal)
    os.waitpid(pid, 0)


def runtime(threads, mib, seconds):
    """Starts as a virtual machine does: takes its heap, starts its threads, then waits for work."""
    heap = bytearray(b"\1" * (mib << 20))
    started = [threading.Thread(target=time.sleep, args=(seconds,), daemon=True) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    del heap


def stop_hard(seconds, *command):
    """A supervisor that stops what does not obey: SIGTERM, then SIGKILL."""
    child = subprocess.Popen(command)
    time.sleep(int(seconds))
    child.terminate()
    try:
        child.wait(2)
    except subprocess.TimeoutExpired:
        child.kill()
    child.wait()


def spin_in_turns(threads):
    """An endless loop in each of several threads, of which the interpreter lets one run at a time."""
    culprit()
    crossed()
    for _ in range(threads):
        threading.Thread(target=spin_quietly, daemon=True).start()
    forever()


def compute_in_turns(threads, seconds):
    """A pool whose threads have work that takes long, and tell of each piece."""
    pool_of = [threading.Thread(target=compute, args=(seconds,)) for _ in range(threads)]
    for thread in pool_of:
        thread.start()
    for thread in pool_of:
        thread.join()


def spin_quietly():
    while True:
        pass


def suite(count, *command):
    """A test suite that runs one program again and again and expects it to fail."""
    for _ in range(int(count)):
        assert subprocess.run(command, check=False).returncode != 0


def cache(mib, seconds):
    """Fills to its size, then replaces what it has."""
    slots = [None] * mib
    end = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end:
        slots[turn % mib] = bytearray(b"\1" * (1 << 20))
        turn += 1
        time.sleep(0.02 if turn < mib else 0.005)


def start_up(mib, seconds):
    """Takes what it needs within a moment, then works with it."""
    kept = [bytearray(b"\1" * (1 << 20)) for _ in range(mib)]
    time.sleep(seconds)
    del kept


def replace_itself(path):
    """A program that is replaced on disk while it runs, and starts its new self."""
    child = subprocess.Popen([path, "6"])
    time.sleep(2)
    with open("/bin/sleep", "rb") as source, open(path + ".new", "wb") as new:
        new.write(source.read())
    os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)
    subprocess.run([path, "3"], check=True)
    child.wait()


def workers(processes, tasks):
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(processes) as pool_of:
        assert sum(pool_of.map(abs, range(tasks))) == sum(range(tasks))


STRINGS = {"supervise", "supervise_and_stop", "keys", "suite", "replace_itself", "hang_up", "stop_hard"}

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    name, arguments = sys.argv[1], sys.argv[2:]
    if name in STRINGS:
        globals()[name](*arguments)
    else:
        globals()[name](*map(int, arguments))
