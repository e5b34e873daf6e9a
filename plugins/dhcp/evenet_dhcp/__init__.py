"""evenet plugin: DHCP and static addressing with dhcpcd."""
