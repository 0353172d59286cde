//! What a run cost, from the requests that it made.

use std::collections::BTreeMap;

use super::Survey;
use super::found::Found;
use super::money::{microdollars, per_thousand};
use super::reckoning::Reckoning;
use super::requests::{Kind, Requests, count};
use crate::api::cost::{Prices, RunCost, StoredClass};

impl Survey {
    /// What a run cost that made these requests, by operation. What files were sent with is priced
    /// by their class, all else as STANDARD, which the catalog is in. `is_whole` says whether all
    /// of the source was seen.
    #[must_use]
    pub fn run_cost(
        &self,
        requests: &BTreeMap<String, u64>,
        is_whole: bool,
        prices: &Prices,
    ) -> RunCost {
        let (writes, reads) = (count(requests, Kind::Write), count(requests, Kind::Read));
        let reckoning = Reckoning::new(self, "", prices);
        let sent = reckoning.categories.iter().map(|found| found.sent);
        let rest = Requests {
            writes: writes.saturating_sub(sent.sum()),
            reads,
        };
        let data = reckoning.categories.iter();
        let data = data.map(|found| per_thousand(found.sent, found.price.thousand_writes));
        let dollars = data.sum::<f64>() + reckoning.catalog.requests(rest).dollars;
        let month = reckoning.all().map(Found::month).sum();
        RunCost {
            prices_region: prices.region.clone(),
            prices_as_of: prices.as_of.clone(),
            writes,
            reads,
            free: count(requests, Kind::Free),
            requests_microdollars: microdollars(dollars),
            stored: if is_whole {
                stored(&reckoning)
            } else {
                Vec::new()
            },
            month_microdollars: is_whole.then(|| microdollars(month)),
        }
    }
}

fn stored(reckoning: &Reckoning) -> Vec<StoredClass> {
    let mut stored: Vec<StoredClass> = Vec::new();
    for found in reckoning.all() {
        let all = found.all();
        if all.objects == 0 {
            continue;
        }
        let mut standing = stored.iter_mut();
        if let Some(class) = standing.find(|class| class.storage_class == found.class) {
            class.objects += all.objects;
            class.bytes += all.bytes;
            class.billed_bytes += all.billed_bytes;
        } else {
            stored.push(StoredClass {
                storage_class: found.class,
                objects: all.objects,
                bytes: all.bytes,
                billed_bytes: all.billed_bytes,
            });
        }
    }
    stored
}

#[cfg(test)]
mod tests {
    use super::super::prices;
    use super::*;
    use crate::api::policy::Category;

    #[test]
    fn a_run_is_priced_by_the_classes_that_it_sent_to() {
        let categories = serde_json::json!([
            {"name": "photos", "bucket": "acme", "storageClass": "GLACIER_IR"},
            {"name": "rest", "bucket": "acme"},
        ]);
        let categories: Vec<Category> = serde_json::from_value(categories).unwrap();
        let prices = prices();
        let mut survey = Survey::new(&categories, &prices);
        for category in [0, 1] {
            survey.add_file(Some(category), 1 << 30);
            survey.add_sent(category, 1000);
        }
        let requests = [
            ("PutObject", 2500),
            ("ListObjectsV2", 500),
            ("GetObject", 1000),
            ("DeleteObjects", 7),
        ];
        let requests = requests
            .map(|(name, count)| (name.to_owned(), count))
            .into();
        let cost = survey.run_cost(&requests, true, &prices);
        assert_eq!((cost.writes, cost.reads, cost.free), (3000, 1000, 7));
        assert_eq!(cost.requests_microdollars, 20_000 + 5_000 + 5_000 + 400);
        assert_eq!(cost.month_microdollars, Some(27_000));
        let classes = cost.stored.iter().map(|class| class.storage_class.as_str());
        assert_eq!(classes.collect::<Vec<_>>(), ["GLACIER_IR", "STANDARD"]);
        let partly = survey.run_cost(&requests, false, &prices);
        assert_eq!((partly.month_microdollars, partly.stored.len()), (None, 0));
    }
}
