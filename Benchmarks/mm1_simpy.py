"""The peer of `planner simulate` for the bench: M/M/1 at 80 % in SimPy. Prints customers and seconds."""
import random
import sys
import time

import simpy

seconds = float(sys.argv[1])
stream = random.Random(1)
waits = []


def customer(env, server):
    arrived = env.now
    with server.request() as turn:
        yield turn
        waits.append(env.now - arrived)
        yield env.timeout(stream.expovariate(100))


def source(env, server):
    while True:
        yield env.timeout(stream.expovariate(80))
        env.process(customer(env, server))


env = simpy.Environment()
server = simpy.Resource(env, capacity=1)
env.process(source(env, server))
began = time.perf_counter()
env.run(until=seconds)
print(len(waits), time.perf_counter() - began)
