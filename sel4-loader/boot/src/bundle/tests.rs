// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
use super::*;
use alloc::vec::Vec;

fn uart() -> GrantSpec {
    GrantSpec {
        name: "uart1".into(),
        resource: Resource::Ports {
            first: 0x3e8,
            count: 8,
        },
        interrupt: Some(4),
        flags: grant_flags::LEVEL,
    }
}

fn gpio() -> GrantSpec {
    GrantSpec {
        name: "gpio".into(),
        resource: Resource::Memory {
            address: 0xfed0_0000,
            bytes: 8192,
        },
        interrupt: None,
        flags: grant_flags::SHARED | grant_flags::READ_ONLY,
    }
}

fn sample() -> Vec<u8> {
    let app = AppSpec {
        name: "a".into(),
        modules: [
            ("library".into(), b"ELF".to_vec()),
            ("".into(), b"\x7fELF".to_vec()),
        ]
        .into(),
        script: Vec::new(),
        args: ["a".into(), "x y".into()].into(),
        env: ["K=v".into()].into(),
        invoke: "_start".into(),
        archive: b"tar".to_vec(),
        dirs: ["/".into()].into(),
        input: b"typed".to_vec(),
        contract: b"contract".to_vec(),
        flags: app_flags::INVOKE,
        memory_limit: 1 << 33,
        stack_size: 65_536,
    };
    let script = AppSpec {
        script: b"steps".to_vec(),
        ..AppSpec::default()
    };
    let system = SystemSpec {
        flags: flags::HOSTED,
        policy: Policy::EarliestDeadline,
        duration_us: 1 << 40,
        grants: [uart(), gpio()].into(),
    };
    encode(&system, &[app, script]).unwrap()
}

#[test]
fn bundles_round_trip() {
    let mut bytes = sample();
    let length = bytes.len();
    bytes.extend([0; 50]);
    let bundle = Bundle::parse(&bytes).unwrap();
    assert_eq!(bundle.flags(), flags::HOSTED);
    assert_eq!(bundle.byte_length(), length);
    let apps: Vec<_> = bundle.apps().collect();
    assert_eq!(apps.len(), 2);
    assert_eq!(apps[0].name, "a");
    let modules: Vec<_> = apps[0].modules().collect();
    assert_eq!(
        (modules[0].name, modules[0].object),
        ("library", &b"ELF"[..])
    );
    assert_eq!((modules[1].name, modules[1].object), ("", &b"\x7fELF"[..]));
    assert_eq!(
        modules[1].object.as_ptr() as usize % 16,
        bytes.as_ptr() as usize % 16
    );
    assert_eq!(apps[0].args.iter().nth(1), Some(&b"x y"[..]));
    assert_eq!((apps[0].archive, apps[0].dirs.len()), (&b"tar"[..], 1));
    assert_eq!(apps[0].input, b"typed");
    assert_eq!(apps[0].contract, b"contract");
    assert_eq!(bundle.policy(), Policy::EarliestDeadline);
    assert_eq!(bundle.duration_us(), 1 << 40);
    let grants: Vec<_> = bundle.grants().collect();
    for (grant, spec) in grants.iter().zip([uart(), gpio()]) {
        assert_eq!(grant.name, spec.name);
        assert_eq!(grant.resource, spec.resource);
        assert_eq!(grant.interrupt, spec.interrupt);
        assert_eq!(grant.flags, spec.flags);
    }
    assert_eq!(grants.len(), 2);
    let offset = apps[0].archive.as_ptr() as usize - bytes.as_ptr() as usize;
    assert_eq!(offset % ARCHIVE_ALIGNMENT as usize, 0);
    assert!(bytes[offset + 3..offset + 4096].iter().all(|&b| b == 0));
    assert_eq!(apps[0].memory_limit, 1 << 33);
    assert_eq!(apps[1].modules().len(), 0);
    assert_eq!(apps[1].script, b"steps");
}

#[test]
fn truncation_is_refused_and_damage_never_panics() {
    let bytes = sample();
    for length in 0..bytes.len() {
        assert!(Bundle::parse(&bytes[..length]).is_err(), "{length}");
    }
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << bit;
            if let Ok(bundle) = Bundle::parse(&damaged) {
                assert!(bundle.grants().count() <= MAX_GRANTS);
                for app in bundle.apps() {
                    let _ = app.args.iter().count();
                    let _ = app.modules().map(|m| m.object.len()).sum::<usize>();
                }
            }
        }
    }
}

#[test]
fn an_app_is_modules_or_a_script() {
    let both = AppSpec {
        modules: [("".into(), b"ELF".to_vec())].into(),
        script: b"steps".to_vec(),
        ..AppSpec::default()
    };
    for app in [both, AppSpec::default()] {
        let bytes = encode(&SystemSpec::default(), &[app]).unwrap();
        assert!(matches!(
            Bundle::parse(&bytes),
            Err(BundleError::Invalid(_))
        ));
    }
}

#[test]
fn errors_tell_absence_from_another_version() {
    assert_eq!(Bundle::parse(&[0; 64]).unwrap_err(), BundleError::Absent);
    let mut bytes = sample();
    bytes[8] = 9;
    assert_eq!(Bundle::parse(&bytes).unwrap_err(), BundleError::Version(9));
}

#[test]
fn grants_that_cannot_be_are_refused() {
    let memory = |address, bytes| GrantSpec {
        resource: Resource::Memory { address, bytes },
        ..gpio()
    };
    let ports = |first, count| GrantSpec {
        resource: Resource::Ports { first, count },
        ..uart()
    };
    let app = AppSpec {
        script: b"steps".to_vec(),
        ..AppSpec::default()
    };
    let parse = |grants: Vec<GrantSpec>| {
        let system = SystemSpec {
            grants,
            ..SystemSpec::default()
        };
        let bytes = encode(&system, core::slice::from_ref(&app)).unwrap();
        Bundle::parse(&bytes).err()
    };
    assert_eq!(parse([memory(0, 4096), ports(0xffff, 1)].into()), None);
    assert!(parse([gpio(), uart(), gpio()].into()).is_some());
    for bad in [
        memory(0x10, 4096),
        memory(0x1000, 10),
        memory(0x1000, 0),
        memory(u64::MAX - 4095, 8192),
        ports(0, 0),
        ports(0xffff, 2),
    ] {
        let error = parse([bad.clone()].into());
        assert!(matches!(error, Some(BundleError::Invalid(_))), "{bad:?}");
    }
    for flags in [16, grant_flags::SHARED] {
        let wrong = GrantSpec { flags, ..uart() };
        assert!(parse([wrong].into()).is_some(), "{flags}");
    }
    let nameless = GrantSpec {
        name: "".into(),
        ..gpio()
    };
    assert!(parse([nameless].into()).is_some());
    let many = |count| {
        (0..count).map(|i| GrantSpec {
            name: alloc::format!("d{i}"),
            ..gpio()
        })
    };
    assert_eq!(parse(many(MAX_GRANTS).collect()), None);
    assert!(parse(many(MAX_GRANTS + 1).collect()).is_some());
}

#[test]
fn what_belongs_to_two_is_found() {
    let memory = |address, bytes| Resource::Memory { address, bytes };
    let ports = |first, count| Resource::Ports { first, count };
    for (one, other, expected) in [
        (memory(0x1000, 0x2000), memory(0x2000, 0x1000), true),
        (memory(0x1000, 0x1000), memory(0x2000, 0x1000), false),
        (memory(0x1000, 0x4000), memory(0x2000, 0x1000), true),
        (ports(0x3e8, 8), ports(0x3ef, 1), true),
        (ports(0x3e8, 8), ports(0x3f0, 8), false),
        (ports(0x3e8, 8), memory(0, 0x1000), false),
    ] {
        assert_eq!(one.overlaps(other), expected, "{one:x?} {other:x?}");
        assert_eq!(other.overlaps(one), expected, "{other:x?} {one:x?}");
    }
}
