"""The lab: a whole site in namespaces, made from a network model, with a device that runs evenet.

| file | subject |
|---|---|
| `cli.py` | the commands `evenet lab ...` |
| `model.py`, `reading.py` | the network model (Eden's network-model.json) and its reader |
| `feasible.py` | what this kernel cannot simulate, said before anything starts |
| `plan.py` | pure: from the model to links, addresses, routes and services of each host |
| `host.py` | a host: its namespaces, its own view of the file system, programs inside |
| `build.py` | carries the plan out over netlink |
| `firewall.py`, `services.py`, `web.py`, `ntp.py`, `certificates.py` | what endpoints and the Internet answer |
| `apps.py`, `device.py` | apps as machines of their own; the agent, supervised |
| `keeper.py` | the process that holds it all: when it dies, the kernel removes everything |
| `up.py`, `launch.py`, `follow.py` | check a model, start its keeper, wait until the device has settled |
| `registry.py`, `enter.py` | find labs, run programs on their hosts |
"""
