# SPDX-License-Identifier: Apache-2.0
"""What each type of appliance is made of: constants with unit, spread over a fleet, and source.

Sources
    BR    the three-day record of one blood refrigerator (what was measured on it: `physics/measured.py`)
    CF    the 14-day CELSI export of a freezer (same place)
    SPEC  a tender specification for blood bank refrigerators (scribd.com/document/64575273): range kept at
          up to +43 °C ambient, half a load cooled within 150 min
    UCR   University of California, Riverside 2016, as cited by Biocompare 363204: -80 freezers pull down
          in 9..26 h
    BEL   Bellamy, Transfusion 1965, 10.1111/j.1537-2995.1965.tb01203.x: 8 units and ice stay within
          1..6 °C for 30 h at 23 °C and 18 h at 36 °C
    DS    DS18B20 data sheet: 0.0625 °C steps, -55..125 °C, 85 °C at power-on; the customary driver says
          -127 °C for "not connected". IEC 60751 class A for platinum: 0.15 + 0.002 |t| °C
    eng   engineering estimate: order of magnitude from mass, area and usual materials (steel 0.5,
          aluminium 0.9, water and blood 3.6..4.2, frozen plasma 2.0 kJ/(kg K); a bag weighs about 0.3 kg)
    fit   chosen so that period, duty, defrost and warm-up fall in the ranges of `physics/measured.py`
"""

from dataclasses import dataclass
from enum import StrEnum


class ApplianceType(StrEnum):
    """The six types; the value is the word used in fleet and scenario files."""

    BLOOD_REFRIGERATOR = "blood-refrigerator"
    PLASMA_FREEZER = "plasma-freezer"
    ULTRA_FREEZER = "ultra-freezer"
    PLATELET_INCUBATOR = "platelet-incubator"
    PASSIVE_BOX = "passive-box"
    ACTIVE_BOX = "active-box"


@dataclass(frozen=True, slots=True)
class Spread:
    """A constant that differs between appliances: uniform from ``low`` to ``high``."""

    low: float
    high: float

    def __post_init__(self) -> None:
        assert self.low <= self.high, (self.low, self.high)

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2


def _only(value: float) -> Spread:
    return Spread(value, value)


_NONE = _only(0.0)


@dataclass(frozen=True, slots=True)
class Design:
    """One type. Heat capacities [J/K], conductances [W/K], powers [W], temperatures [°C], times [s].

    air_j_per_k, load_j_per_k, wall_j_per_k, evaporator_j_per_k   the four nodes
    load_w_per_k      air to load; wall_w_per_k air to wall; outside_w_per_k wall to surroundings
    door_w_per_k      air to surroundings while the door stands open
    evaporator_w_per_k  air to evaporator with the fan running; ``still_fraction`` of it without
    fan_w             heat of fans and lamps into the air
    cooling_w         heat taken from the evaporator at ``cooling_at_c``; falls linearly to zero at
                      ``cooling_floor_c``; the motor allows 15 % more at most
    heater_w          heat into the air while the thermostat heats (incubators)
    set_point_c, band_k  the thermostat starts cooling at set-point + band, stops at set-point - band
    control_lag_s     lag of the thermostat's own probe; min_off_s rest between two compressor runs
    defrost_every_s   period of the clock, or of compressor running time when ``defrost_by_run``; 0 = never
    defrost_w, defrost_end_c, defrost_max_s, drip_s   heater; it stops at that evaporator temperature or
                      time; rest before cooling again
    defrost_wall_part  how much of that heat goes into duct and walls instead of the evaporator
    openings_per_day  door openings, most in working hours; opening_s typical length
    air_lag_s, load_lag_s  first-order lags of the two reporting probes
    offset_k          largest error of a probe; ``digital`` probes follow DS, others are platinum
    agitator          has one
    battery_wh        battery of the compressor (active box) or only the node (others); draw_w electrical
    plates_kg, plates_melt_c, plates_w_per_k  phase-change plates, their conductance to the air
    alarm_low_c, alarm_high_c  the controller's own alarm, on its own probe, after 10 min
    """

    code: str
    air_j_per_k: Spread
    load_j_per_k: Spread
    wall_j_per_k: Spread
    evaporator_j_per_k: Spread
    load_w_per_k: Spread
    wall_w_per_k: Spread
    outside_w_per_k: Spread
    door_w_per_k: Spread
    evaporator_w_per_k: Spread
    still_fraction: Spread
    fan_w: Spread
    cooling_w: Spread
    cooling_at_c: Spread
    cooling_floor_c: Spread
    set_point_c: Spread
    band_k: Spread
    control_lag_s: Spread
    min_off_s: Spread
    openings_per_day: Spread
    opening_s: Spread
    air_lag_s: Spread
    load_lag_s: Spread
    offset_k: Spread
    battery_wh: Spread
    draw_w: Spread
    alarm_low_c: Spread
    alarm_high_c: Spread
    heater_w: Spread = _NONE
    defrost_every_s: Spread = _NONE
    defrost_by_run: bool = False
    defrost_w: Spread = _NONE
    defrost_end_c: Spread = _NONE
    defrost_max_s: Spread = _NONE
    drip_s: Spread = _NONE
    defrost_wall_part: Spread = _NONE
    plates_kg: Spread = _NONE
    plates_melt_c: Spread = _NONE
    plates_w_per_k: Spread = _NONE
    agitator: bool = False
    digital: bool = True
    mobile: bool = False


BLOOD_REFRIGERATOR = Design(
    code="br",
    air_j_per_k=Spread(4e3, 6e3),  # 0.4 m3 of air, wire drawers, fan housing; eng
    load_j_per_k=Spread(55e3, 130e3),  # 50..120 bags of 0.3 kg at 3.6 kJ/(kg K); eng
    wall_j_per_k=Spread(20e3, 35e3),  # steel liner and half of the foam; eng
    evaporator_j_per_k=Spread(1.2e3, 1.7e3),  # 3 kg aluminium and refrigerant; fit to BR's evaporator swing
    load_w_per_k=Spread(6.0, 9.0),  # bags lie in stacks: only edges meet the air; eng
    wall_w_per_k=Spread(12.0, 18.0),
    outside_w_per_k=Spread(1.8, 2.5),  # 60 mm foam, double glass door; eng
    door_w_per_k=Spread(25.0, 45.0),
    evaporator_w_per_k=Spread(28.0, 36.0),
    still_fraction=Spread(0.05, 0.08),
    fan_w=Spread(12.0, 18.0),
    cooling_w=Spread(160.0, 185.0),  # fit to BR's duty of 0.37..0.48 indoors
    cooling_at_c=_only(0.0),
    cooling_floor_c=_only(-30.0),
    set_point_c=Spread(3.8, 4.2),  # domain convention: +4 °C set-point
    band_k=Spread(0.44, 0.54),  # fit to BR's period of 7.4..8.6 min
    control_lag_s=Spread(30.0, 50.0),
    min_off_s=Spread(120.0, 180.0),
    openings_per_day=Spread(8.0, 22.0),
    opening_s=Spread(12.0, 40.0),
    air_lag_s=Spread(30.0, 60.0),
    load_lag_s=Spread(60.0, 120.0),  # probe in a sleeve of a dummy bag
    offset_k=_only(0.2),  # after a two-point adjustment; DS allows 0.5
    battery_wh=Spread(60.0, 90.0),
    draw_w=Spread(2.0, 3.0),  # node only
    alarm_low_c=_only(2.0),
    alarm_high_c=_only(6.0),
    defrost_every_s=_only(6 * 3600.0),  # BR: 6.0 h
    defrost_w=Spread(950.0, 1100.0),  # fit to BR: the evaporator ends some 45 K above its mean
    defrost_end_c=Spread(36.0, 44.0),
    defrost_max_s=_only(345.0),  # BR: 3.4..5.7 min
    drip_s=Spread(180.0, 300.0),  # BR: 4..5 min between heater and compressor
    defrost_wall_part=Spread(0.66, 0.72),  # fit to the height of the air after BR's defrosts
)

PLASMA_FREEZER = Design(
    code="pf",
    air_j_per_k=Spread(3.5e3, 5.0e3),
    load_j_per_k=Spread(110e3, 220e3),  # 180..370 bags of frozen plasma of 0.3 kg at 2.0 kJ/(kg K); eng
    wall_j_per_k=Spread(30e3, 45e3),
    evaporator_j_per_k=Spread(7e3, 9e3),
    load_w_per_k=Spread(5.0, 8.0),
    wall_w_per_k=Spread(14.0, 20.0),
    outside_w_per_k=Spread(0.9, 1.3),  # 100 mm foam; eng
    door_w_per_k=Spread(30.0, 50.0),
    evaporator_w_per_k=Spread(22.0, 28.0),
    still_fraction=Spread(0.45, 0.6),  # fit: CF's air rises while the heater runs
    fan_w=Spread(10.0, 16.0),
    cooling_w=Spread(155.0, 180.0),
    cooling_at_c=_only(-40.0),
    cooling_floor_c=_only(-62.0),
    set_point_c=Spread(-36.0, -33.0),
    band_k=Spread(0.9, 1.2),  # CF: 1.9..4 K from peak to trough
    control_lag_s=Spread(90.0, 150.0),
    min_off_s=Spread(240.0, 360.0),
    openings_per_day=Spread(2.0, 7.0),
    opening_s=Spread(15.0, 60.0),
    air_lag_s=Spread(30.0, 60.0),
    load_lag_s=Spread(90.0, 180.0),
    offset_k=_only(0.25),
    battery_wh=Spread(60.0, 90.0),
    draw_w=Spread(2.0, 3.0),
    alarm_low_c=_only(-48.0),
    alarm_high_c=_only(-27.0),
    defrost_every_s=Spread(17 * 3600.0, 21 * 3600.0),  # of running: CF's 38..42 h at a duty near 0.5
    defrost_by_run=True,
    defrost_w=Spread(560.0, 640.0),
    defrost_end_c=Spread(5.0, 9.0),
    defrost_max_s=_only(2700.0),  # CF: air climbs for 45..50 min
    drip_s=Spread(180.0, 300.0),
    defrost_wall_part=Spread(0.1, 0.2),
    digital=False,
)

ULTRA_FREEZER = Design(
    code="uf",
    air_j_per_k=Spread(6e3, 9e3),
    load_j_per_k=Spread(120e3, 220e3),
    wall_j_per_k=Spread(60e3, 90e3),  # thick liner and inner doors; eng
    evaporator_j_per_k=Spread(8e3, 12e3),  # tubes on the liner; eng
    load_w_per_k=Spread(6.0, 9.0),
    wall_w_per_k=Spread(16.0, 24.0),
    outside_w_per_k=Spread(1.2, 1.6),  # 130 mm foam or vacuum panels; eng
    door_w_per_k=Spread(18.0, 30.0),  # inner doors
    evaporator_w_per_k=Spread(20.0, 28.0),
    still_fraction=_only(1.0),  # no fan
    fan_w=_NONE,
    cooling_w=Spread(250.0, 290.0),  # fit to UCR's pull-down
    cooling_at_c=_only(-86.0),
    cooling_floor_c=_only(-112.0),
    set_point_c=Spread(-81.0, -79.0),
    band_k=Spread(0.4, 0.7),
    control_lag_s=Spread(40.0, 80.0),
    min_off_s=Spread(240.0, 360.0),
    openings_per_day=Spread(1.0, 4.0),
    opening_s=Spread(20.0, 60.0),
    air_lag_s=Spread(40.0, 80.0),
    load_lag_s=Spread(90.0, 180.0),
    offset_k=_only(0.35),  # class A platinum at -80 °C: 0.31
    battery_wh=Spread(60.0, 90.0),
    draw_w=Spread(2.0, 3.0),
    alarm_low_c=_only(-90.0),
    alarm_high_c=_only(-68.0),
    digital=False,
)

PLATELET_INCUBATOR = Design(
    code="pi",
    air_j_per_k=Spread(3e3, 5e3),
    load_j_per_k=Spread(12e3, 40e3),  # 10..36 bags of 0.3 kg; eng
    wall_j_per_k=Spread(15e3, 25e3),
    evaporator_j_per_k=Spread(2e3, 3e3),
    load_w_per_k=Spread(6.0, 14.0),  # bags lie flat and are rocked; eng
    wall_w_per_k=Spread(8.0, 12.0),
    outside_w_per_k=Spread(1.2, 1.8),
    door_w_per_k=Spread(20.0, 35.0),
    evaporator_w_per_k=Spread(18.0, 26.0),
    still_fraction=Spread(0.05, 0.1),
    fan_w=Spread(15.0, 25.0),  # fan and agitator motor
    cooling_w=Spread(110.0, 150.0),
    cooling_at_c=_only(12.0),
    cooling_floor_c=_only(-15.0),
    set_point_c=Spread(21.8, 22.2),
    band_k=Spread(0.25, 0.4),
    control_lag_s=Spread(30.0, 60.0),
    min_off_s=Spread(120.0, 180.0),
    heater_w=Spread(60.0, 90.0),
    openings_per_day=Spread(4.0, 12.0),
    opening_s=Spread(15.0, 50.0),
    air_lag_s=Spread(30.0, 60.0),
    load_lag_s=Spread(60.0, 120.0),
    offset_k=_only(0.2),
    battery_wh=Spread(60.0, 90.0),
    draw_w=Spread(2.0, 3.0),
    alarm_low_c=_only(20.0),
    alarm_high_c=_only(24.0),
    agitator=True,
)

PASSIVE_BOX = Design(
    code="pb",
    air_j_per_k=Spread(0.5e3, 0.8e3),
    load_j_per_k=Spread(9e3, 16e3),  # 8..14 units; eng
    wall_j_per_k=Spread(2e3, 4e3),
    evaporator_j_per_k=_only(1e3),
    load_w_per_k=Spread(1.5, 2.5),
    wall_w_per_k=Spread(2.0, 3.0),
    outside_w_per_k=Spread(0.20, 0.28),  # fit to BEL: some 30 h with 4 kg of plates
    door_w_per_k=Spread(2.0, 4.0),
    evaporator_w_per_k=_NONE,
    still_fraction=_only(1.0),
    fan_w=_NONE,
    cooling_w=_NONE,
    cooling_at_c=_only(0.0),
    cooling_floor_c=_only(-30.0),
    set_point_c=_only(4.0),
    band_k=_only(1.0),
    control_lag_s=_only(60.0),
    min_off_s=_only(180.0),
    openings_per_day=Spread(2.0, 5.0),
    opening_s=Spread(15.0, 40.0),
    air_lag_s=Spread(30.0, 60.0),
    load_lag_s=Spread(60.0, 120.0),
    offset_k=_only(0.2),
    battery_wh=Spread(5.0, 7.0),
    draw_w=Spread(0.02, 0.04),  # the logger's own: weeks
    alarm_low_c=_only(2.0),
    alarm_high_c=_only(10.0),
    plates_kg=Spread(3.0, 4.0),
    plates_melt_c=Spread(3.6, 4.2),  # eutectics of +4 °C
    plates_w_per_k=Spread(8.0, 12.0),
    mobile=True,
)

ACTIVE_BOX = Design(
    code="ab",
    air_j_per_k=Spread(0.8e3, 1.2e3),
    load_j_per_k=Spread(10e3, 26e3),  # 10..24 units; eng
    wall_j_per_k=Spread(4e3, 6e3),
    evaporator_j_per_k=Spread(1e3, 1.5e3),
    load_w_per_k=Spread(2.0, 3.5),
    wall_w_per_k=Spread(4.0, 6.0),
    outside_w_per_k=Spread(0.40, 0.55),
    door_w_per_k=Spread(3.0, 6.0),
    evaporator_w_per_k=Spread(4.0, 6.0),
    still_fraction=_only(1.0),
    fan_w=Spread(1.0, 2.0),
    cooling_w=Spread(45.0, 60.0),
    cooling_at_c=_only(-4.0),
    cooling_floor_c=_only(-28.0),
    set_point_c=Spread(3.8, 4.2),
    band_k=Spread(0.4, 0.6),
    control_lag_s=Spread(30.0, 60.0),
    min_off_s=Spread(120.0, 180.0),
    heater_w=Spread(15.0, 25.0),
    openings_per_day=Spread(3.0, 8.0),
    opening_s=Spread(10.0, 30.0),
    air_lag_s=Spread(30.0, 60.0),
    load_lag_s=Spread(60.0, 120.0),
    offset_k=_only(0.2),
    battery_wh=Spread(500.0, 800.0),  # 12 V, 40..65 Ah; eng
    draw_w=Spread(40.0, 55.0),  # while the compressor runs
    alarm_low_c=_only(2.0),
    alarm_high_c=_only(6.0),
    mobile=True,
)

DESIGNS: dict[ApplianceType, Design] = {
    ApplianceType.BLOOD_REFRIGERATOR: BLOOD_REFRIGERATOR,
    ApplianceType.PLASMA_FREEZER: PLASMA_FREEZER,
    ApplianceType.ULTRA_FREEZER: ULTRA_FREEZER,
    ApplianceType.PLATELET_INCUBATOR: PLATELET_INCUBATOR,
    ApplianceType.PASSIVE_BOX: PASSIVE_BOX,
    ApplianceType.ACTIVE_BOX: ACTIVE_BOX,
}
