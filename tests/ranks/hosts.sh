#!/bin/sh
# hosts.sh MPIRUN PROGRAM ARGUMENT... : two ranks on two hosts, which are network namespaces of this
# machine with host names of their own, reached by Open MPI over TCP alone. Needs root and iproute2;
# exit status 77 where they are missing.
set -u
skip() {
    echo "skipped: $*"
    exit 77
}
[ "$(id -u)" -eq 0 ] || skip "network namespaces need root"
command -v ip >/dev/null || skip "ip (iproute2) is not installed"
"$1" --version 2>/dev/null | grep -Eq 'Open MPI|OpenRTE' || skip "$1 is not Open MPI's mpirun"
one=csctrl$$a two=csctrl$$b
work=$(mktemp -d)
clean() {
    ip netns del $one 2>/dev/null
    ip netns del $two 2>/dev/null
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM
ip netns add $one 2>/dev/null && ip netns add $two || skip "no network namespace can be made"
ip link add name veth0 netns $one type veth peer name veth0 netns $two || skip "no veth can be made"
ip -n $one addr add 10.77.0.1/24 dev veth0
ip -n $two addr add 10.77.0.2/24 dev veth0
for host in $one $two; do
    ip -n $host link set lo up
    ip -n $host link set veth0 up
done
# What ssh would be: mpirun's daemon in the other namespace, in the name of another host.
cat >"$work/agent" <<AGENT
#!/bin/sh
shift
exec ip netns exec $two unshare --uts sh -c "hostname two; \$*"
AGENT
chmod +x "$work/agent"
cd "$work" || exit 1
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
mpirun=$1
shift
ip netns exec $one unshare --uts sh -c "hostname one; exec \"\$@\"" sh "$mpirun" \
    --host 10.77.0.1,10.77.0.2 --map-by node --bind-to none -n 2 -x GOMP_SPINCOUNT=1000 \
    --mca plm_rsh_agent "$work/agent" --mca btl tcp,self --mca btl_tcp_if_include veth0 \
    --mca oob_tcp_if_include veth0 "$@"
