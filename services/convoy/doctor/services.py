"""Looks at each address of the settings: who listens there, whether it serves, and which version it is."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from convoy.client.channels import Connection
from convoy.client.failures import read_failure
from convoy.client.reachability import is_dead, service_at
from convoy.core.api import SERVICES, ServiceName
from convoy.core.versions import convoy_version
from convoy.doctor.findings import Finding, good, problem, warning
from convoy.inference import open_inference_pb2, open_inference_pb2_grpc

ANSWERS_IN_S = 3.0


def look_at_services(connection: Connection) -> Iterator[Finding]:
    """Ask every service; where none is there, say it once."""
    if all(is_dead(address) for address in connection.addresses.values()):
        addresses = ", ".join(connection.addresses.values())
        yield warning(
            "services", f"none listens at {addresses}", "`convoy up` starts all; CONVOY_*_ADDRESS name others"
        )
        return
    for service in SERVICES:
        yield look_at_service(replace(connection, timeout_s=ANSWERS_IN_S), service)


def look_at_service(connection: Connection, service: ServiceName) -> Finding:
    """Ask one service for its health and version."""
    address = connection.addresses[service]
    if is_dead(address):
        advice = f"`convoy up` starts all services; set CONVOY_{service.upper()}_ADDRESS if it is elsewhere"
        return warning(service, f"nobody listens at {address}", advice)
    with connection.open(service) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            health = stub.Check(health_pb2.HealthCheckRequest(), timeout=ANSWERS_IN_S)
        except grpc.RpcError as error:
            failed = read_failure(error, service, address)
            return problem(service, f"{address}: {failed.message}", failed.hint or "read its log")
        found = service_at(channel)
        if found is not None and found != service:
            return problem(service, f"the {found} service answers at {address}", "set the address of each service")
        if health.status != health_pb2.HealthCheckResponse.SERVING:
            return problem(service, f"{address} answers and does not serve", "read its log: it says what it waits for")
        return compare_versions(service, address, version_of(channel))


def version_of(channel: grpc.Channel) -> str:
    """The version that the service says it has; empty where it has no models or no right to tell us."""
    stub = open_inference_pb2_grpc.GRPCInferenceServiceStub(channel)
    try:
        return str(stub.ServerMetadata(open_inference_pb2.ServerMetadataRequest(), timeout=ANSWERS_IN_S).version)
    except grpc.RpcError:
        return ""


def compare_versions(service: ServiceName, address: str, theirs: str) -> Finding:
    """Say whether client and service are of one version."""
    ours = convoy_version()
    if theirs and theirs != ours:
        advice = "both go on working; docs/upgrade.md says what each version changed"
        return warning(service, f"{address} serves version {theirs}, this client is {ours}", advice)
    return good(service, f"{address} serves" + (f", version {theirs}" if theirs else ""))
