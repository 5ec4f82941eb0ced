# SPDX-License-Identifier: Apache-2.0
"""What real appliances did: plain numbers measured on public records, to hold the simulation against.

The records themselves are not kept here (some carry no licence); a test measures them where they are present.

BR  github.com/nicolopinci/polimi_failure_prediction, Blood Refrigerator/PW_0.5h/val.csv, first 3 days from
    2022-11-24, one row per 34.1445 s; Pinciroli Vago et al., Machines 2024, 12(6), 357. Values there are
    standardised; differences become kelvin with 2.0188 (product) and 5.890 (evaporator).
    A cycle counts when it begins neither within 2 h after a defrost nor within 30 min after an opening.
CF  github.com/Oleg-Solovyev/anomaly-detection, CELSI-raw-data-reports.csv: 20,186 min of a freezer, 2022.
    Mean -19.5 °C, so that its -15 °C is 4.5 K above the mean. Cycles by reversals of 0.7 K. (The record's
    period from trough to trough is 28..30 min; a figure of "about 10 min" in circulation is not borne out.)
RF  github.com/pbielefeldt/ruuvi-plots, data/fridge.csv: a household refrigerator, one day, irregular.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """A range seen on one real appliance. ``what`` says which statistic the two ends are."""

    low: float
    high: float
    unit: str
    what: str

    def holds(self, value: float, margin: float = 0.0) -> bool:
        """Whether a value lies in the range widened on both sides by ``margin`` of its ends."""
        return self.low - abs(self.low) * margin <= value <= self.high + abs(self.high) * margin


BLOOD_REFRIGERATOR: dict[str, Measured] = {
    "period": Measured(478.0, 512.0, "s", "quartiles of 300 undisturbed cycles"),
    "share": Measured(0.36, 0.43, "1", "quartiles of the running share in those cycles"),
    "share_all": Measured(0.43, 0.45, "1", "running share of all rows, recovery from defrosts included"),
    "product_swing": Measured(0.0, 0.4, "K", "5..95 % of peak to trough of the product probe in a cycle"),
    "evaporator_swing": Measured(3.6, 11.2, "K", "5..95 % of peak to trough of the evaporator in a cycle"),
    "defrost_every": Measured(5.9, 6.12, "h", "least and greatest of 11 intervals"),
    "defrost_heating": Measured(3.4, 5.7, "min", "least and greatest of 12"),
    "defrost_product_rise": Measured(6.4, 10.6, "K", "least and greatest rise of the product probe in 12"),
    "defrost_evaporator_rise": Measured(40.2, 47.0, "K", "least and greatest in 12"),
}

FREEZER: dict[str, Measured] = {
    "period": Measured(28.0, 30.0, "min", "quartiles, trough to trough"),
    "share": Measured(0.5, 0.6, "1", "falling part of a cycle, medians before and after a change of setting"),
    "swing": Measured(2.2, 4.0, "K", "median trough to median peak, before and after the change"),
    "defrost_every": Measured(
        24.8, 42.4, "h", "least and greatest of 7 intervals: by run time, not by clock"
    ),
    "defrost_warm": Measured(52.0, 62.0, "min", "least and greatest time more than 4.5 K above the mean"),
    "defrost_peak": Measured(17.6, 25.3, "K", "least and greatest peak above the mean in 8"),
    "opening_warm": Measured(2.0, 6.0, "min", "least and greatest time more than 4.5 K above the mean in 5"),
}

HOUSEHOLD_REFRIGERATOR: dict[str, Measured] = {
    "period": Measured(
        52.0, 66.0, "min", "10..50 % of trough to trough; some samples are over an hour apart"
    ),
}

OTHER: dict[str, Measured] = {
    "water_2k_without_power": Measured(
        1.5, 8.0, "h", "455 min on a water load, switched off; a glass door loses faster"
    ),
    "ultra_pull_down": Measured(9.0, 26.0, "h", "UC Riverside 2016 as cited by Biocompare 363204, empty"),
    "passive_hold": Measured(18.0, 60.0, "h", "18 h at 36 °C with ice (Bellamy 1965) to over 78 h at 40 °C "
                             "in a small vacuum-insulated box (Transfusion 2004, 44(2), 210)"),
}  # fmt: skip
