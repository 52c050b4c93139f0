// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the kernel tells the first thread (`libsel4/include/sel4/bootinfo_types.h`).

use crate::sys::CONFIG_MAX_NUM_BOOTINFO_UNTYPED_CAPS;

/// A range of slots in the root CNode.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed)]
pub struct SlotRegion {
    /// First slot.
    pub start: u64,
    /// First slot after the range.
    pub end: u64,
}

/// An untyped capability.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed)]
pub struct UntypedDesc {
    /// Physical address.
    pub paddr: u64,
    padding: [u8; 2],
    /// log2 of its bytes.
    pub size_bits: u8,
    /// 1 where it is a device's memory.
    pub is_device: u8,
}

/// `seL4_BootInfo`.
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub struct BootInfo {
    /// Bytes of further information, on the pages behind this one.
    pub extra_len: u64,
    /// This processor.
    pub node_id: u64,
    /// Processors.
    pub num_nodes: u64,
    /// Levels of page tables of the IOMMU.
    pub num_iopt_levels: u64,
    /// Address of the first thread's IPC buffer.
    pub ipc_buffer: u64,
    /// Empty slots.
    pub empty: SlotRegion,
    /// Frames shared between processors.
    pub shared_frames: SlotRegion,
    /// Frames of the first program's image, in ascending order of their address.
    pub user_image_frames: SlotRegion,
    /// Paging structures of the first program's image.
    pub user_image_paging: SlotRegion,
    /// Capabilities for the IOMMU.
    pub io_space_caps: SlotRegion,
    /// Frames of the further information.
    pub extra_bi_pages: SlotRegion,
    /// log2 of the slots in the root CNode.
    pub root_cnode_size_bits: u8,
    /// Scheduling domain of the first thread.
    pub domain: u64,
    /// Frequency of the time stamp counter in MHz, where the kernel knows it.
    pub arch_info: u64,
    /// Slots of the untyped capabilities.
    pub untyped: SlotRegion,
    /// The untyped capabilities.
    pub untyped_list: [UntypedDesc; CONFIG_MAX_NUM_BOOTINFO_UNTYPED_CAPS],
}

const _: () = assert!(size_of::<BootInfo>() <= 4096);

impl BootInfo {
    /// Slot and description of each untyped capability.
    pub fn untypeds(&self) -> impl Iterator<Item = (u64, UntypedDesc)> {
        let (start, end) = (self.untyped.start, self.untyped.end);
        let list = self.untyped_list;
        (start..end).zip(list)
    }
}
