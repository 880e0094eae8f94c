"""postfix.py - a real Postfix out of its unpacked package, in a namespace, in a folder of its own."""
import grp
import os
import pwd
import shutil
import signal
import tempfile

from lib import PEERS, sh, spawn, wait_until

ROOT = os.path.join(PEERS, "postfix")
LIBS = os.path.join(ROOT, "usr", "lib", "postfix")
SERVICES = """\
{listen} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


def make_owner():
    """Postfix wants a user and a group of its own; made once, as the package would."""
    try:
        pwd.getpwnam("postfix")
    except KeyError:
        sh("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
           "--shell", "/usr/sbin/nologin", "postfix")
    try:
        grp.getgrnam("postdrop")
    except KeyError:
        sh("groupadd", "--system", "postdrop")


class Postfix:
    """listen: address:port in netns; more: further main.cf lines.  Takes mail for example.org into
    its own mailbox/ (Maildir) unless told otherwise."""

    def __init__(self, netns, listen, more=""):
        make_owner()
        self.home = tempfile.mkdtemp(prefix="sluice-pf-", dir="/tmp")
        os.chmod(self.home, 0o755)
        self.netns, self.listen = netns, listen
        owner = pwd.getpwnam("postfix")
        for name in ("conf", "queue", "data", "mailbox"):
            os.mkdir(os.path.join(self.home, name), 0o755)
        for name in ("active bounce corrupt defer deferred flush hold incoming maildrop private public "
                     "saved trace pid").split():
            path = os.path.join(self.home, "queue", name)
            os.mkdir(path, 0o755 if name == "pid" else 0o730 if name in ("maildrop", "public") else 0o700)
            if name != "pid":
                os.chown(path, owner.pw_uid, owner.pw_gid)
        for name in ("data", "mailbox"):
            os.chown(os.path.join(self.home, name), owner.pw_uid, owner.pw_gid)
        with open(os.path.join(self.home, "conf", "master.cf"), "w") as f:
            f.write(SERVICES.format(listen=listen))
        with open(os.path.join(self.home, "conf", "main.cf"), "w") as f:
            f.write(self._main_cf(owner, more))
        self.process = None

    def _main_cf(self, owner, more):
        return f"""\
compatibility_level = 3.6
queue_directory = {self.home}/queue
data_directory = {self.home}/data
command_directory = {ROOT}/usr/sbin
daemon_directory = {LIBS}/sbin
shlib_directory = {LIBS}
mail_owner = postfix
setgid_group = postdrop
import_environment = MAIL_CONFIG LD_LIBRARY_PATH={LIBS}
maillog_file = {self.home}/log
maillog_file_prefixes = {self.home}
myhostname = behind.example.net
mynetworks = 127.0.0.0/8
mydestination =
local_recipient_maps =
alias_maps =
inet_protocols = all
smtp_host_lookup = native
disable_dns_lookups = yes
message_size_limit = 104857600
virtual_mailbox_domains = example.org
virtual_mailbox_base = {self.home}/mailbox
virtual_mailbox_maps = static:./
virtual_mailbox_limit = 0
virtual_uid_maps = static:{owner.pw_uid}
virtual_gid_maps = static:{owner.pw_gid}
virtual_minimum_uid = 1
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_peername_lookup = no
smtputf8_enable = yes
in_flow_delay = 0
message_drop_headers =
local_header_rewrite_clients =
disable_mime_output_conversion = yes
smtp_line_length_limit = 0
strict_mime_encoding_domain = no
header_size_limit = 4096000
{more}
"""

    def start(self):
        env = dict(os.environ, MAIL_CONFIG=os.path.join(self.home, "conf"), LD_LIBRARY_PATH=LIBS)
        self.process = spawn(os.path.join(LIBS, "sbin", "master"), "-c", os.path.join(self.home, "conf"), "-d",
                             netns=self.netns, env=env)
        host, _, port = self.listen.rpartition(":")
        code = f"import socket; print(socket.create_connection(({host.strip('[]')!r}, {port}), 2).recv(3))"
        wait_until(lambda: sh("/usr/bin/python3", "-c", code, netns=self.netns, check=False).stdout, 20,
                   f"Postfix answers on {self.listen}: {self.log_tail()}")
        return self

    def log_tail(self):
        try:
            with open(os.path.join(self.home, "log")) as f:
                return "".join(f.readlines()[-10:])
        except OSError:
            return "(no log)"

    def mails(self):
        folder = os.path.join(self.home, "mailbox", "new")
        return sorted(os.path.join(folder, n) for n in os.listdir(folder)) if os.path.isdir(folder) else []

    def queue_size(self):
        n = 0
        for name in ("incoming", "active", "deferred", "maildrop", "hold"):
            for _, _, files in os.walk(os.path.join(self.home, "queue", name)):
                n += len(files)
        return n

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
        shutil.rmtree(self.home, ignore_errors=True)
