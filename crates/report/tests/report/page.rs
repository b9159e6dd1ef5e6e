//! A parsed page, and the checks that every report must pass.

use std::collections::{BTreeMap, BTreeSet};

use html5ever::driver::ParseOpts;
use html5ever::parse_document;
use html5ever::tendril::TendrilSink;
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// An element: its name, attributes and text.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) text: String,
}

/// A parsed page: its elements in order.
pub(crate) struct Page(Vec<Element>);

impl Page {
    /// Parses a page and checks what must hold for every report.
    #[track_caller]
    pub(crate) fn checked(text: &str) -> Page {
        let parsed = parse_document(RcDom::default(), ParseOpts::default()).one(text);
        assert!(parsed.errors.borrow().is_empty(), "{:?}", parsed.errors);
        let mut page = Page(Vec::new());
        page.add(&parsed.document);
        page.assert_accessible_and_self_contained();
        page
    }

    fn add(&mut self, node: &Handle) {
        if let NodeData::Element { name, attrs, .. } = &node.data {
            let attributes = attrs.borrow();
            let attributes = attributes.iter();
            self.0.push(Element {
                name: name.local.to_string(),
                attributes: attributes
                    .map(|a| (a.name.local.to_string(), a.value.to_string()))
                    .collect(),
                text: text_of(node),
            });
        }
        for child in node.children.borrow().iter() {
            self.add(child);
        }
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.0.iter().filter(move |e| e.name == name)
    }

    pub(crate) fn with<'a>(
        &'a self,
        attribute: &'a str,
    ) -> impl Iterator<Item = (&'a Element, &'a str)> {
        self.0
            .iter()
            .filter_map(move |e| Some((e, e.attributes.get(attribute)?.as_str())))
    }

    pub(crate) fn text(&self) -> &str {
        &self.all("main").next().unwrap().text
    }

    #[track_caller]
    fn assert_accessible_and_self_contained(&self) {
        self.assert_text_alternatives();
        self.assert_headings_in_order();
        self.assert_nothing_is_loaded();
    }

    /// Checks that ids are unique, and that images and charts have text alternatives.
    #[track_caller]
    fn assert_text_alternatives(&self) {
        let ids = self.ids();
        let distinct: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), distinct.len(), "{ids:?}");
        let text_of_id = |id: &str| {
            let element = self.with("id").find(|(_, i)| *i == id);
            element.map(|(e, _)| e.text.clone())
        };
        for image in self.all("img") {
            let (alt, src) = (&image.attributes["alt"], &image.attributes["src"]);
            assert!(alt.len() > 10 && src.starts_with("data:"));
        }
        for drawing in self.all("svg") {
            if drawing.attributes.contains_key("aria-hidden") {
                continue;
            }
            assert_eq!(drawing.attributes["role"], "img");
            let names = drawing.attributes["aria-labelledby"].split(' ');
            let names: Vec<String> = names.map(|id| text_of_id(id).unwrap()).collect();
            assert!(
                names.len() == 2 && names.iter().all(|n| n.len() > 3),
                "{names:?}"
            );
        }
    }

    /// Checks that there is one `h1`, and that headings skip no level.
    #[track_caller]
    fn assert_headings_in_order(&self) {
        let level = |e: &Element| e.name.strip_prefix('h')?.parse::<u32>().ok();
        let levels: Vec<u32> = self.0.iter().filter_map(level).collect();
        let first_level = levels.iter().filter(|l| **l == 1).count();
        assert_eq!((levels[0], first_level), (1, 1));
        assert!(levels.windows(2).all(|w| w[1] <= w[0] + 1), "{levels:?}");
    }

    /// Checks that links stay on the page, and that there are no handlers and no other scripts.
    #[track_caller]
    fn assert_nothing_is_loaded(&self) {
        let ids = self.ids();
        for attribute in ["src", "href", "srcset", "action", "data", "poster"] {
            for (element, value) in self.with(attribute) {
                let anchor = value.strip_prefix('#');
                let own = value.starts_with("data:") || anchor.is_some_and(|id| ids.contains(&id));
                assert!(own, "{element:?}");
            }
        }
        for element in &self.0 {
            // The policy refuses these; a hostile name could have injected them.
            let refused = element
                .attributes
                .keys()
                .find(|a| a.starts_with("on") || *a == "style");
            assert_eq!(refused, None, "{element:?}");
        }
        let number = |name| self.all(name).count();
        assert_eq!((number("script"), number("style")), (1, 1));
        assert!(!self.all("style").next().unwrap().text.contains("url("));
    }

    fn ids(&self) -> Vec<&str> {
        self.with("id").map(|(_, id)| id).collect()
    }
}

fn text_of(node: &Handle) -> String {
    match &node.data {
        NodeData::Text { contents } => contents.borrow().to_string(),
        _ => node.children.borrow().iter().map(text_of).collect(),
    }
}
