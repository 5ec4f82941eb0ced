# SPDX-License-Identifier: Apache-2.0
"""Grafana's dashboards as code: classic JSON, written from the names that the projection writes."""
