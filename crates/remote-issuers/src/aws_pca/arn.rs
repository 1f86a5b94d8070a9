//! What the ARN of a CA says.

/// Where a CA is, by its ARN: `arn:PARTITION:acm-pca:REGION:ACCOUNT:certificate-authority/ID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The partition, `aws` in most regions.
    pub partition: String,
    /// The region.
    pub region: String,
}

impl Place {
    /// Reads the ARN of a CA; `None` where it is none.
    #[must_use]
    pub fn of(ca_arn: &str) -> Option<Self> {
        let parts: Vec<&str> = ca_arn.split(':').collect();
        let ["arn", partition, "acm-pca", region, account, resource] = parts[..] else {
            return None;
        };
        let id = resource.strip_prefix("certificate-authority/")?;
        let is_plain = |text: &str| {
            let plain = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
            !text.is_empty() && text.bytes().all(plain)
        };
        let all_plain = [partition, region, account, id].into_iter().all(is_plain);
        all_plain.then(|| Self {
            partition: partition.to_owned(),
            region: region.to_owned(),
        })
    }

    /// The usual address of a service (`acm-pca`, `sts`) in the region; `None` in partitions whose addresses are not public.
    #[must_use]
    pub fn address(&self, service: &str) -> Option<String> {
        let domain = match self.partition.as_str() {
            "aws" | "aws-us-gov" => "amazonaws.com",
            "aws-cn" => "amazonaws.com.cn",
            _ => return None,
        };
        Some(format!("https://{service}.{}.{domain}", self.region))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_says_where_the_ca_is() {
        let of =
            |start: &str| Place::of(&format!("{start}:123456789012:certificate-authority/0d-5a"));
        let place = of("arn:aws:acm-pca:eu-central-1").unwrap();
        let address = place.address("acm-pca");
        assert_eq!(
            address.as_deref(),
            Some("https://acm-pca.eu-central-1.amazonaws.com")
        );
        let china = of("arn:aws-cn:acm-pca:cn-north-1").unwrap();
        let address = china.address("sts");
        assert_eq!(
            address.as_deref(),
            Some("https://sts.cn-north-1.amazonaws.com.cn")
        );
        assert_eq!(
            of("arn:aws-iso:acm-pca:us-iso-east-1")
                .unwrap()
                .address("sts"),
            None
        );
        for none in [
            "arn:aws:acm:eu-central-1",
            "arn:aws:acm-pca:",
            "aws:acm-pca:x",
            "arn:aws:acm-pca:a.b",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
        assert_eq!(Place::of("arn:aws:acm-pca:eu-central-1:1:template/x"), None);
    }
}
