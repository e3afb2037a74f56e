# The box: a bridge with a port for each machine, DHCP, two name servers, and a resolver for visitors. Runs in the namespace; its servers end with it.
# Arguments: the folder, the ports' numbers, then the three programs.
set -eu
folder=$1
ports=$2
dnsmasq=$3
knotd=$4
nft=$5
servers=
trap 'kill $servers 2>/dev/null; exit 0' TERM INT
ip link set lo up
ip link add br0 type bridge
ip link set br0 up
# The reserved address (10) is this namespace's own, and whoever asks for it is led on; who is there already stays.
for own in 1 10 53 54; do ip address add "10.80.0.$own/24" dev br0; done
for port in $ports; do
  ip tuntap add dev "tap$port" mode tap
  ip link set "tap$port" master br0 up
done
"$nft" -f - <<'END'
table ip cloud {
  map led { type ipv4_addr : ipv4_addr; }
  chain own { type nat hook output priority -100; dnat to ip daddr map @led; }
  chain others { type nat hook prerouting priority -100; dnat to ip daddr map @led; }
}
END
"$dnsmasq" --no-daemon --conf-file="$folder/dnsmasq.conf" >"$folder/dnsmasq.log" 2>&1 &
servers=$!
"$dnsmasq" --no-daemon --conf-file="$folder/resolver.conf" >"$folder/resolver.log" 2>&1 &
servers="$servers $!"
for server in primary secondary; do
  "$knotd" --config "$folder/$server/knot.conf" >"$folder/$server/log" 2>&1 &
  servers="$servers $!"
done
echo "$$" >"$folder/ready"
wait
