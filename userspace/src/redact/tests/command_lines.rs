//! Command lines as people type them: with secrets, none of which may survive, and without, which must stay as they
//! are to the byte.

use super::*;

/// Planted in each command line.
const SECRET: &str = "hunter2x";

/// A line's arguments as a shell would split them; quotes only around whole arguments or after a flag.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ' ') => words.push(String::new()),
            (_, c) => words.last_mut().unwrap().push(c),
        }
    }
    words
}

#[test]
fn no_secret_survives_in_arguments_or_text() {
    let mut leaks = Vec::new();
    for line in [
        "aws configure set aws_secret_access_key hunter2x",
        "aws configure set profile.x.aws_session_token hunter2x",
        "nmcli dev wifi connect home password hunter2x",
        "nmcli con modify home wifi-sec.psk hunter2x",
        "nmcli con add type wifi 802-1x.password hunter2x",
        "redis-cli config set requirepass hunter2x",
        "redis-cli -h db -a hunter2x PING",
        "redis-cli --pass hunter2x PING",
        "redis-cli -u redis://u:hunter2x@h:6379/0",
        "vault login hunter2x",
        "vault login -method=userpass username=bob password=hunter2x",
        "vault unwrap hunter2x",
        "vault operator unseal hunter2x",
        "vault kv put secret/app value=hunter2x",
        "vault kv put -mount=secret app a=1 b=hunter2x",
        "vault write auth/x/role y=hunter2x",
        "openssl enc -aes-256-cbc -k hunter2x -in a",
        "openssl enc -d -aes-256-cbc -pass pass:hunter2x -in a",
        "openssl rsa -in k.pem -passin pass:hunter2x -out k2.pem",
        "openssl pkcs12 -export -passout pass:hunter2x -in a",
        "smbclient -U user%hunter2x //h/share",
        "smbclient //h/share -U=dom/user%hunter2x",
        "smbclient --user=user%hunter2x //h/share",
        "rpcclient -Uuser%hunter2x h",
        "xfreerdp /u:bob /p:hunter2x /v:h",
        "ipmitool -I lanplus -H h -U admin -P hunter2x power status",
        "secretsdump.py dom/user:hunter2x@host",
        "wmiexec.py dom\\user:hunter2x@10.0.0.1",
        "psexec.py user:hunter2x@10.0.0.1",
        "htpasswd -b /etc/h user hunter2x",
        "htpasswd -cb /etc/h user hunter2x",
        "htpasswd -nb user hunter2x",
        "htpasswd -bnB -C 10 user hunter2x",
        "sshpass -p hunter2x ssh h",
        "sshpass -phunter2x ssh h",
        "mysqladmin -phunter2x status",
        "mysqladmin -u root password hunter2x",
        "mysql -uroot -phunter2x db",
        "mysqldump --password=hunter2x db",
        "mariadb -h h -phunter2x",
        "curl -u u:hunter2x https://h/",
        "curl -uu:hunter2x https://h/",
        "curl --user u:hunter2x https://h/",
        "curl --proxy-user=u:hunter2x https://h/",
        "curl -H 'X-Api-Key: hunter2x' https://h/",
        "curl -H 'Authorization: Bearer hunter2x' https://h/",
        "curl -H 'PRIVATE-TOKEN: hunter2x' https://h/",
        "curl -H \"Cookie: sid=hunter2x\" https://h/",
        "curl -d '{\"password\":\"hunter2x\"}' https://h/",
        "curl https://h/x?token=hunter2x&page=2",
        "curl https://h/x?api_key=hunter2x",
        "http -a u:hunter2x GET h/x",
        "docker login -u bob -p hunter2x r.example",
        "docker run -e DB_PASSWORD=hunter2x app",
        "podman login -p hunter2x r.example",
        "az login -u bob -p hunter2x",
        "ldapsearch -x -D cn=admin -w hunter2x -b dc=x",
        "ldappasswd -D cn=admin -s hunter2x uid=bob",
        "psql postgresql://u:hunter2x@h/db",
        "psql 'host=h user=u password=hunter2x dbname=d'",
        "mongosh mongodb+srv://u:hunter2x@h/db",
        "mongodump -u u -p hunter2x",
        "env PGPASSWORD=hunter2x psql -h h",
        "app --token=hunter2x",
        "app --token hunter2x",
        "app --api-key hunter2x --verbose",
        "java -Dpassword=hunter2x -jar a.jar",
        "java -Djavax.net.ssl.keyStorePassword=hunter2x -jar a.jar",
        "keytool -list -storepass hunter2x",
        "kubectl create secret generic a --from-literal=b=hunter2x",
        "kubectl create secret generic a --from-literal b=hunter2x",
        "kubectl create secret docker-registry r --docker-password=hunter2x",
        "kubectl config set-credentials bob --token=hunter2x",
        "git clone https://u:hunter2x@h/x.git",
        "git -c 'http.extraheader=AUTHORIZATION: basic hunter2x' fetch",
        "wget --user bob --password hunter2x https://h/",
        "wget --http-password=hunter2x https://h/",
        "lftp -u u,hunter2x sftp://h",
        "rclone config create r sftp host h pass hunter2x",
        "rclone obscure hunter2x",
        "rclone --sftp-pass hunter2x ls r:",
        "gpg --batch --passphrase hunter2x -d a.gpg",
        "snmpwalk -v2c -c hunter2x h system",
        "snmpget -v3 -u bob -A hunter2x -X hunter2x h x",
        "rsync rsync://u:hunter2x@h/m /d",
        "rabbitmqctl add_user bob hunter2x",
        "rabbitmqctl change_password bob hunter2x",
        "mc alias set m http://h key hunter2x",
        "wpa_passphrase home hunter2x",
        "zip -P hunter2x a.zip b",
        "7z x -phunter2x a.7z",
        "sqlcmd -S h -U sa -P hunter2x",
        "mosquitto_pub -h h -u u -P hunter2x -t x",
        "ssh-keygen -f k -N hunter2x",
        "useradd -p hunter2x bob",
        "helm install a b --set db.password=hunter2x",
        "terraform apply -var db_password=hunter2x",
        "ansible all -e ansible_password=hunter2x",
        "mount -t cifs //h/s /m -o username=u,password=hunter2x",
        "sh -c 'mysql -phunter2x db'",
        "bash -c 'PGPASSWORD=hunter2x psql'",
        "sudo -u x vault login hunter2x",
    ] {
        let words = split(line);
        let once = argv(&words);
        assert_eq!(argv(&once), once, "applied twice");
        let in_text = text(line);
        assert_eq!(text(&in_text), in_text, "applied twice");
        for masked in [once.join(" "), in_text] {
            if masked.contains(SECRET) || !masked.contains("[redacted ") {
                leaks.push(masked);
            }
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// In a line of text these could be prose; as arguments they cannot.
#[test]
fn arguments_tell_what_text_cannot() {
    for line in [
        "app password hunter2x",
        "configure set-user bob passphrase hunter2x",
        "aws configure set aws_secret_access_key allsmallletters",
        "npm config set _authToken allsmallletters",
        "git config user.password allsmallletters",
        "vpn up psk hunter2x",
    ] {
        let words = split(line);
        let masked = argv(&words);
        assert!(masked.last().unwrap().starts_with("[redacted "), "{masked:?}");
        let known = secrets_in(&words);
        assert!(!text_without(&known, line).contains(words.last().unwrap()), "{known:?}");
    }
}

#[test]
fn ordinary_lines_stay_as_they_are() {
    let mut changed = Vec::new();
    for line in [
        "ansible-playbook --vault-password-file /etc/ansible/vault site.yml",
        "ansible-vault view --vault-password-file=/run/x group_vars/all",
        "git log --author=bob --since=yesterday",
        "git show 1fca1c50ffb4e1a2b3c4d5e6f7a8b9c0d1e2f3a4",
        "git credential fill",
        "git commit -m 'fix token refresh'",
        "make -j8 PASS=1 all",
        "java -cp /opt/a-1.2.jar:/opt/b-2.0.jar:/opt/lib/* com.example.Main",
        "java -Xmx2g -XX:MaxMetaspaceSize=256m -jar app.jar --server.port=8080",
        "nginx: worker process",
        "nginx: master process /usr/sbin/nginx -g daemon off;",
        "postgres: walwriter",
        "postgres: app db 10.0.0.7(51234) idle in transaction",
        "/lib/systemd/systemd --system --deserialize 31",
        "systemctl restart getty@tty1.service user@1000.service",
        "sshd: bob@pts/0",
        "ssh -p 2222 bob@10.0.0.1",
        "scp bob@h:/srv/a.txt /tmp/b.txt",
        "rsync -avz bob@h:/srv/ /backup/ --password-file=/etc/rsync.pass",
        "curl -o a.tgz -sSL https://h:8443/a/b.tgz",
        "curl -H 'Accept: application/json' http://127.0.0.1:9090/metrics",
        "docker run -p 8080:80 -v /srv:/srv:ro nginx:1.25.3",
        "docker ps --filter name=web",
        "docker pull nginx@sha256:7c9d1e0f5a3b2c4d6e8f7c9d1e0f5a3b2c4d6e8f7c9d1e0f5a3b2c4d6e8f7c9d",
        "docker pull ghcr.io/org/app:1.2@sha256:7c9d1e0f5a3b2c4d6e8f7c9d1e0f5a3b2c4d6e8f7c9d1e0f5a3b2c4d6e8f7c9d",
        "docker secret ls",
        "containerd-shim-runc-v2 -namespace moby -id 7c9d1e0f5a3b2c4d6e8f7c9d1e0f5a3b2c4d6e8f7c9d1e0f5a3b2c4d6e8f7c9d",
        "kubectl get secret app -n prod",
        "kubectl get secrets -A",
        "kubectl logs api-7d9f8b6c5d-x2x4z --tail=100",
        "kubelet --kubeconfig=/etc/k/c.conf --node-ip=10.0.0.2 --v=2",
        "vault status",
        "vault kv get secret/app",
        "vault token lookup",
        "openssl s_client -connect h:443 -key /etc/k.pem -cert /etc/c.pem",
        "openssl x509 -in a.pem -noout -text",
        "mysql -h db -P 3306 -u root -p",
        "mysqld --basedir=/usr --pid-file=/run/mysqld/mysqld.pid --port=3306",
        "psql -h db -p 5432 -U app -d app",
        "redis-server 127.0.0.1:6379",
        "redis-cli -h db -p 6379 INFO",
        "mkdir -p /srv/a",
        "python3 -m http.server 8080 --bind 127.0.0.1",
        "python3 /usr/lib/python3/dist-packages/keyring/cli.py",
        "gunicorn: worker [app.wsgi]",
        "gcc -O2 -DVERSION=1.2.3 -I/usr/include -o a.o -c token.c",
        "rustc --crate-name secret_service --edition=2021 src/lib.rs",
        "grep -ri password /etc/nginx",
        "grep -n token lexer.rs parser.rs",
        "grep password notes",
        "man passwd",
        "passwd bob",
        "login -p -- bob",
        "tar czf backup-2026-11-22T12:27:59.tgz /etc",
        "sha256sum dGhpcy1pcy1iYXNlNjQtbG9va2luZw.bin",
        "ffmpeg -i a.mp4 -pass 2 -b:v 1M b.mp4",
        "node --max-old-space-size=4096 server.js",
        "prometheus --storage.tsdb.path=/data --web.listen-address=0.0.0.0:9090",
        "sshd -D -o AuthorizedKeysFile=/etc/ssh/keys/%u",
        "ldapsearch -x -b dc=example,dc=com uid=bob",
        "lftp sftp://h",
        "smbclient -L //h -U bob",
        "sleep 3600",
    ] {
        let words = split(line);
        if argv(&words) != words || text(line) != line {
            changed.push((argv(&words), text(line)));
        }
    }
    assert!(changed.is_empty(), "{changed:#?}");
}

#[test]
fn log_lines_stay_as_they_are() {
    for line in [
        "Nov 22 12:27:59 h kernel: python3[13674]: segfault at 8 ip 00005581c0de4a3b sp 00007ffe4b1c9d20 error 4",
        "Nov 22 12:27:59 h sshd[811]: Accepted publickey for bob from 10.0.0.7 port 51234 ssh2",
        "Nov 22 12:27:59 h sshd[811]: Failed password for invalid user bob from 10.0.0.7 port 51234 ssh2",
        "level=error msg=\"connection refused\" addr=10.0.0.3:5432 attempt=3",
        "the password was wrong, its session_token expired and access_token was revoked",
        "request 3f2b8c1e-9a4d-4e6f-8b1a-2c3d4e5f6a7b took 12 ms",
        "pam_unix(sshd:auth): authentication failure; uid=0 euid=0 tty=ssh",
        "systemd[1]: nginx.service: Main process exited, code=killed, status=11/SEGV",
        "/sys/fs/cgroup/kubepods.slice/kubepods-pod3f2b8c1e_9a4d_4e6f_8b1a_2c3d4e5f6a7b.slice",
        "dial tcp 10.0.0.3:5432: connect: connection refused",
        "thread 'main' panicked at src/token.rs:12:5: index out of bounds: the len is 3 but the index is 7",
    ] {
        assert_eq!(text(line), line);
    }
}

#[test]
fn what_looks_like_a_flag_of_a_secret_and_is_none() {
    for line in [
        "env -u RUSTFLAGS -u CARGO_TARGET_DIR cargo build -p cargo-zerocopy",
        "gdbus monitor [--system | --session | --address X]",
        "curl --no-sessionid https://example.com",
        "systemd-tmpfiles --create passwd.conf home.conf",
        "curl --cert certfile --key keyfile https://example.com",
        "curl --login-options AUTH=* imap://example.com",
        "gdbus wait --session org.bluez",
        "gpg-wks-server --install-key 0123456789abcdef0123456789abcdef01234567",
        "openssl smime -sign -inkey mykey mail",
    ] {
        let given: Vec<String> = split(line);
        assert_eq!(argv(&given), given, "{line}");
    }
    for line in ["env -u X tool -u root -p hunter2x", "app --session hunter2x", "app passwd hunter2x"] {
        let got = argv(&split(line)).concat();
        assert!(!got.contains(SECRET), "{line}: {got}");
    }
}

#[test]
fn habits_that_programs_share_need_no_list() {
    for (given, want) in [
        (&["etcdctl", "--user", "root:hunter2x", "get", "k"][..], &["--user", "root:[redacted 8 chars]"][..]),
        (&["anything", "--user=root:hunter2x"], &["--user=root:[redacted 8 chars]"]),
        (&["twine", "upload", "-u", "bob", "-p", "hunter2x", "dist/a.whl"], &["-p", "[redacted 8 chars]"]),
        (&["twine", "upload", "-p", "hunter2x"], &["-p", "[redacted 8 chars]"]),
        (&["acmectl", "-u", "bob", "-p", "hunter2x"], &["-p", "[redacted 8 chars]"]),
        (&["sqlplus", "-s", "scott/hunter2x@db"], &["scott/[redacted 8 chars]@db"]),
        (&["rman", "target", "sys/hunter2x"], &["sys/[redacted 8 chars]"]),
        (&["app", "--pin", "4711"], &["--pin", "[redacted 4 chars]"]),
        (&["app", "--user-pin=4711"], &["--user-pin=[redacted 4 chars]"]),
        (&["app", "--password", "", "hunter2x"], &["[redacted 8 chars]"]),
        (&["app", "token", "0123456789abcdef0123456789abcdef"], &["token", "[redacted 32 chars]"]),
        (&["bash", "-c", "echo hunter2x | sudo -S id"], &["echo [redacted 8 chars] | sudo -S id"]),
        (
            &["bash", "-c", "echo 'hunter2x' | su -c id; echo x | docker login --password-stdin r"],
            &["--password-stdin"],
        ),
        (
            &["expect", "-c", "spawn ssh h; expect assword:; send \"hunter2x\\r\""],
            &["send \"[redacted 8 chars]\\r\""],
        ),
        (
            &["git", "clone", "https://abcd12345678@example.com/x.git"],
            &["https://[redacted 12 chars]@example.com/x.git"],
        ),
    ] {
        let given: Vec<String> = given.iter().map(|&it| it.to_owned()).collect();
        let got = argv(&given);
        for word in want {
            assert!(got.concat().contains(word), "{given:?} gave {got:?}");
        }
        assert!(!given[0].starts_with("bash") || got.concat().contains("[redacted"), "{got:?}");
        assert_eq!(argv(&got), got, "applied twice");
    }
    for plain in [
        &["docker", "run", "-u", "app:staff", "-p", "8080:80", "nginx"][..],
        &["podman", "run", "--user", "www-data:www-data", "-p", "127.0.0.1:80:80", "x"],
        &["ssh", "-p", "22", "-l", "bob", "h"],
        &["cp", "-u", "-p", "a", "b"],
        &["mkdir", "-p", "a/b"],
        &["ps", "-u", "bob", "-p", "123"],
        &["sqlplus", "/nolog"],
        &["sqlplus", "-s", "/", "as", "sysdba", "@report.sql"],
        &["app", "--pin-memory", "--cpu-pin", "3"],
        &["git", "checkout", "0123456789abcdef0123456789abcdef01234567"],
        &["sha256sum", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"],
        &["bash", "-c", "echo hello | sort -u; printf '%s\\n' a b | grep -S x"],
        &["git", "clone", "ssh://git@example.com/x.git", "https://alice@example.com/y.git"],
    ] {
        let given: Vec<String> = plain.iter().map(|&it| it.to_owned()).collect();
        assert_eq!(argv(&given), given);
    }
}
